package harness

import (
	"fmt"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

func TestWorthKeeping(t *testing.T) {
	const chatter = "[    1.000000] eth0: link is up\n"
	marker := "[    1.500000] " + wire.Marker("nonce", wire.Mark{Stage: "load"}) + "\n"
	warning := "[    2.000000] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_read+0x1/0x2 [fifo]\n[    2.000001] Call Trace:\n[    2.000002]  fifo_read+0x1/0x2 [fifo]\n"
	tests := map[string]struct {
		text string
		n    int // 0: all of it
		want []string
	}{
		"nothing":                      {text: ""},
		"nothing of worth":             {text: strings.Repeat(chatter, 100)},
		"a marker":                     {text: chatter + marker + chatter, want: []string{marker}},
		"a fault":                      {text: chatter + warning + chatter, want: []string{warning}},
		"one behind the other":         {text: marker + warning + marker, want: []string{marker, warning, marker}},
		"a fault that reaches beyond":  {text: warning + chatter, n: 20, want: []string{warning}},
		"a fault that is not asked of": {text: chatter + warning, n: len(chatter)},
		"a marker amid a fault": {text: warning[:strings.Index(warning, "[    2.000001]")] + marker + warning[strings.Index(warning, "[    2.000001]"):],
			want: []string{warning[:strings.Index(warning, "[    2.000001]")] + marker + warning[strings.Index(warning, "[    2.000001]"):]}},
		"a last line without an end": {text: chatter + strings.TrimSpace(warning), want: []string{strings.TrimSpace(warning)}},
		"no memory left": {text: chatter + "[    3.000000] Out of memory: Killed process 42 (suite.test) total-vm:9kB\n" + chatter,
			want: []string{"[    3.000000] Out of memory: Killed process 42 (suite.test) total-vm:9kB\n"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := test.n
			if n == 0 {
				n = len(test.text)
			}
			parts, next := worthKeeping([]byte(test.text), n)
			got, at := []string{}, 0
			for _, p := range parts {
				if p.Start < at || p.Start >= n || p.End <= p.Start || p.End > len(test.text) {
					t.Fatalf("part %+v after byte %d of %d", p, at, n)
				}
				at = p.End
				got = append(got, test.text[p.Start:p.End])
			}
			if next != max(n, at) {
				t.Errorf("goes on at %d, after parts up to %d", next, at)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// FuzzWorthKeeping holds what package vm counts on, whatever a guest prints.
func FuzzWorthKeeping(f *testing.F) {
	f.Add([]byte("[    2.0] WARNING: CPU: 0 PID: 1 at x.c:7 f+0x1/0x2 [fifo]\nmodmatrix \n"), 9)
	f.Add([]byte("modmatrix BUG: x\r[    1.000000] BUG: y\n"), 30)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		n = min(max(n, 0), len(text))
		parts, next := worthKeeping(text, n)
		at := 0
		for _, p := range parts {
			if p.Start < at || p.Start >= n || p.End < p.Start || p.End > len(text) {
				t.Fatalf("part %+v after byte %d of %d, text of %d", p, at, n, len(text))
			}
			at = p.End
		}
		if next != max(n, at) {
			t.Fatalf("goes on at %d, after parts up to %d of %d", next, at, n)
		}
	})
}
