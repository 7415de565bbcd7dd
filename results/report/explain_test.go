package report

import (
	"strings"
	"testing"
)

func TestAnExplanationFitsTheTerminal(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"the guest hangs during load: no answer for 60 s", 0, "the guest hangs during load: no answer for 60 s"},
		{"the guest hangs during load: no answer for 60 s", 30, "the guest hangs during load:\n            no answer for 60 s"},
		{"look at /a/path-without/any-blank/that-is/longer-than/the-terminal", 30, "look at\n            /a/path-without/any-blank/that-is/longer-than/the-terminal"},
		{"the guest hangs during load: ::error file=a.c", 30, "the guest hangs during load:\n            \\x3a:error file=a.c"},
	} {
		out := explanation{width: c.width + labelRoom}
		out.line("reason", c.text)
		if got := strings.TrimSuffix(strings.TrimPrefix(out.String(), "  reason    "), "\n"); got != c.want {
			t.Errorf("%d columns: %q, want %q", c.width, got, c.want)
		}
	}
}
