package suites

import (
	"testing"
)

func TestTaint(t *testing.T) {
	for taint, want := range map[Taint]string{0: "none", 1<<12 | 1<<13: "OE", 1 | 1<<9: "PW", 1 << 19: "J", 1 << 20: "bit20", 1<<18 - 1: "PFSRMBUDAWCIOELKXT"} {
		if taint.String() != want {
			t.Errorf("%d is %q, want %q", uint64(taint), taint, want)
		}
	}
	if BadTaint.String() != "FRMBDWL" {
		t.Errorf("bad taint is %s", BadTaint)
	}
	if got := Taint(0x3200).Since(0x3000); got != 0x200 || got.Bad() != 0x200 || Taint(0x3001).Bad() != 0 {
		t.Errorf("since is %s", got)
	}
	if _, err := KernelTaint(); err != nil {
		t.Error(err)
	}
}
