package wire

import (
	"strings"
	"testing"
)

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":                  "plain\ttext\n",
		"a\r\nb\rc":                      "a\nb\nc",
		"\x1b[1;31mred\x1b[0m":           "red",
		"\x1b]0;title\x07x":              "x",
		"\x1b]8;;http://x\x1b\\link":     "link",
		"\x1b]0;open\nnext":              "\nnext",
		"\x1bcreset":                     "reset",
		"\x1b":                           "",
		"\x1b[31":                        "",
		"\x1b[3\x00;1m":                  ";1m",
		"nul\x00bell\x07bs\b":            "nulbellbs",
		"c1\u009b31m":                    "c131m",
		"bad\xff\xfe\x80utf":             "bad\uFFFDutf",
		"\u202eevil\u2066\u200f\u061c":   "evil",
		"para\u2029line\u2028next\u0085": "para\nline\nnext\n",
		"bom\ufeff\ufffe":                "bom",
		"größe 漢字 🙂":                     "größe 漢字 🙂",
	} {
		if got := Scrub(in); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCleanBounds(t *testing.T) {
	long := strings.Repeat("ä", 100<<10)
	f := Frame{Kind: KindSpecEnd, Text: long, Stage: "a\nb", Spec: &Spec{Name: "one\n two\t" + long, Message: long, Output: long}}
	original := f.Spec
	f.clean()
	if len(f.Text) > maxText || len(f.Spec.Output) > maxText || len(f.Spec.Message) > maxMessage || len(f.Spec.Name) > maxName {
		t.Errorf("too long: %d %d %d %d", len(f.Text), len(f.Spec.Output), len(f.Spec.Message), len(f.Spec.Name))
	}
	if f.Stage != "a b" || !strings.HasPrefix(f.Spec.Name, "one two ä") || !strings.Contains(f.Text, "[…]") {
		t.Errorf("%q %q", f.Stage, f.Spec.Name)
	}
	if original.Message != long {
		t.Error("the caller's spec was changed")
	}
	if _, err := encode(Frame{Kind: KindSpecEnd, Text: strings.Repeat("<", maxText), Spec: &Spec{
		Name: strings.Repeat("<", maxName), Message: strings.Repeat("<", maxMessage), Output: strings.Repeat("<", maxText)}}); err != nil {
		t.Errorf("the largest spec does not fit: %v", err)
	}
}
