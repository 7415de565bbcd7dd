package results

import "testing"

func TestShellLine(t *testing.T) {
	if got := ShellLine("a", "", "b c", "it's", "$x", "CC=gcc"); got != `a '' 'b c' 'it'\''s' '$x' CC=gcc` {
		t.Error(got)
	}
}
