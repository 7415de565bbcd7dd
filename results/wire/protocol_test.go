package wire

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestProtocolIsThatOfTheFields(t *testing.T) {
	if p := Protocol(); p != Protocol() || !regexp.MustCompile(`^1-[0-9a-f]{12}$`).MatchString(p) {
		t.Error(p)
	}
	shape := func(v any) string {
		var w strings.Builder
		describe(&w, reflect.TypeOf(v))
		return w.String()
	}
	type one struct {
		A int     `json:"a"`
		B []*Spec `json:"b"`
	}
	type renamed struct {
		A int     `json:"x"`
		B []*Spec `json:"b"`
	}
	type more struct {
		A int     `json:"a"`
		B []*Spec `json:"b"`
		C bool    `json:"c,omitempty"`
	}
	if shape(one{}) == shape(renamed{}) || shape(one{}) == shape(more{}) || !strings.Contains(shape(one{}), "name string;") {
		t.Error(shape(one{}))
	}
}
