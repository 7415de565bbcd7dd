package evidence

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Tester is who agrees to be named as one who tested a source. The zero value: nobody does.
type Tester struct {
	Name string `json:"name"`
	Mail string `json:"mail"`
}

// String is the tester as a trailer has it: "Name <mail>".
func (t Tester) String() string {
	if t == (Tester{}) {
		return ""
	}
	return t.Name + " <" + t.Mail + ">"
}

// maxTester bounds "Name <mail>", in bytes.
const maxTester = 200

// tester is what a trailer can hold and every reader of mail takes apart in the same way.
var tester = regexp.MustCompile(`^([^<>"@,;:\\\s](?:[^<>"@,;:\\]*[^<>"@,;:\\\s])?) <([A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)>$`)

// ParseTester reads "Name <mail>".
func ParseTester(text string) (Tester, error) {
	m := tester.FindStringSubmatch(text)
	if m == nil || len(text) > maxTester || results.Plain(text) != text || strings.ContainsRune(m[1], '`') {
		return Tester{}, fmt.Errorf("%q is not of the form 'Name <mail@example.org>'", shown(text))
	}
	return Tester{m[1], m[2]}, nil
}
