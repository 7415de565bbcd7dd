package lifecycle

import (
	"testing"
)

func TestSameParam(t *testing.T) {
	for _, c := range []struct {
		kind, given, shown string
		same, known        bool
	}{
		{"int", "0x10", "16", true, true},
		{"int", "-1", "-1", true, true},
		{"int", "010", "8", true, true},
		{"int", "0X1B", "27", true, true},
		{"int", "-0x1b", "-27", true, true},
		{"int", "+0x1b", "27", true, true},
		{"int", `"16"`, "16", true, true},
		{"uint", "0x1_b", "27", false, true},
		{"uint", "0b11", "3", false, true},
		{"uint", "16", "17", false, true},
		{"uint", "16", "", false, true},
		{"uint", "1_6", "16", false, true},
		{"bool", "1", "Y", true, true},
		{"bool", "", "Y", true, true},
		{"bool", "off", "N", true, true},
		{"bool", `"1"`, "Y", true, true},
		{"bool", `"0"`, "Y", false, true},
		{"bool", "on", "N", false, true},
		{"charp", "two words", "two words", true, true},
		{"charp", "a", "b", false, true},
		{"array of int", "1,2", "1,2,0,0", true, true},
		{"array of int", `"1,2"`, "1,2", true, true},
		{"array of int", "1,2", "1", false, true},
		{"array of int", "1,2", "1,3", false, true},
		{"", "1", "1", false, false},
		{"mac", "1", "1", false, false},
	} {
		same, known := sameParam(c.kind, c.given, c.shown)
		if same != c.same || known != c.known {
			t.Errorf("%s %q and %q: got %v, %v; want %v, %v", c.kind, c.given, c.shown, same, known, c.same, c.known)
		}
	}
	for kind, want := range map[string]bool{"int": true, "array of bool": true, "charp": false, "": false, "bint": false} {
		if refusesWords(kind) != want {
			t.Errorf("refuses words: %q is %v", kind, !want)
		}
	}
}
