package judge

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/vm/console"
)

// What a guest says when it is asked is a panic to its kernel, and none of its faults.
func TestBeforeAsked(t *testing.T) {
	const nmi = "[    9.0] Kernel panic - not syncing: NMI: Not continuing\n"
	const oops = "[    5.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n[    5.1] RIP: 0010:f+0x1/0x2 [m]\n"
	mark := "\n" + AskedMark("ours") + "\n"
	for name, tt := range map[string]struct {
		log  string
		want int
	}{
		"asked":         {"[    1.0] hello\n" + mark + nmi, 0},
		"not asked":     {"[    1.0] hello\n" + nmi, 1},
		"fault before":  {oops + mark + nmi, 1},
		"forged before": {mark + oops + mark + nmi, 1},
		"of another":    {strings.ReplaceAll(mark, "ours", "theirs") + oops, 1},
	} {
		if got := console.Scan(beforeAsked([]byte(tt.log), "ours")); len(got) != tt.want {
			t.Errorf("%s: %d faults, want %d: %+v", name, len(got), tt.want, got)
		}
	}
}
