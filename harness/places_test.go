package harness

import (
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

func TestOwnLine(t *testing.T) {
	header, own, caller := kbuild.Place{File: "/usr/src/linux-headers-6.1/include/linux/refcount.h"}, kbuild.Place{File: "fifo.c"}, kbuild.Place{File: "fifo_ops.c"}
	for _, c := range []struct {
		at   []kbuild.Place
		want int
	}{{[]kbuild.Place{own, caller}, 0}, {[]kbuild.Place{header, header, own, caller}, 2}, {[]kbuild.Place{header}, 0}} {
		if got := ownLine(c.at); got != c.want {
			t.Errorf("%v: %d, want %d", c.at, got, c.want)
		}
	}
}
