package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

// leakReport is what the kernel writes (mm/kmemleak.c, print_unreferenced), with its forms of several years.
const leakReport = `unreferenced object 0xffff888004a3c000 (size 64):
  comm "init", pid 1, jiffies 4294937296 (age 12.345s)
  hex dump (first 32 bytes):
    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk
    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b a5  kkkkkkkkkkkkkkk.
  backtrace:
    [<00000000a1b2c3d4>] kmalloc_trace+0x2a/0xa0
    [<00000000a1b2c3d5>] 0xffffffffc0001010
    [<00000000a1b2c3d6>] do_one_initcall+0x41/0x200
unreferenced object 0xffff888004a3d000 (size 64):
  comm "fifo.test", pid 71, jiffies 4294937296
  backtrace (crc 1a2b3c4d):
    kmalloc_trace+0x2a/0xa0
    0xffffffffc0001034
    vfs_ioctl+0x1/0x2
unreferenced object (percpu) 0x607f4b8 (size 8):
  comm "init", pid 1, jiffies 4294937296
  backtrace (crc 0):
    pcpu_alloc_noprof+0x1/0x2
    some_kernel_init+0x1/0x2
`

func TestParseLeaks(t *testing.T) {
	got := parseLeaks(leakReport)
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	code := moduleSymbols("ffffffffc0001030 t fifo_ioctl\t[fifo]\nffffffffc0001020 t fifo_open\t[fifo]\nffffffff81000000 T _text\nffffffffc0001040 t x\t[other]\nbad t y\t[fifo]x\n",
		[]wire.Module{{Name: "fifo"}})
	for at, want := range map[string]struct {
		size   int
		ours   bool
		origin string
	}{
		"0xffff888004a3c000": {64, true, "the start of a module (0xffffffffc0001010)"},
		"0xffff888004a3d000": {64, true, "fifo_ioctl [fifo]"},
		"0x607f4b8":          {8, false, "some_kernel_init"},
	} {
		o := got[at]
		if o.size != want.size || o.ofModule() != want.ours || o.origin(code) != want.origin {
			t.Errorf("%s: %+v, %v, %q", at, o, o.ofModule(), o.origin(code))
		}
	}
}

// TestFindLeaks searches in a file that stays as it is, which the kernel's would not.
func TestFindLeaks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kmemleak")
	if openLeaks(file) != nil {
		t.Error("found a search where there is none")
	}
	var none *leaks
	none.loadSymbols("none", nil)
	if got := none.find(); got != nil {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat(" ", 10)+"\n"+leakReport), 0o644); err != nil {
		t.Fatal(err)
	}
	l := openLeaks(file)
	if l == nil {
		t.Fatal("no search")
	}
	l.age = 0
	want := []string{"kmemleak: 1 × 64 bytes from the start of a module (0xffffffffc0001010)", "kmemleak: 1 × 64 bytes from the start of a module (0xffffffffc0001034)"}
	if got := l.find(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func FuzzParseLeaks(f *testing.F) {
	f.Add(leakReport)
	f.Add("unreferenced object 0x1 (size 99999999999999999999):\n  backtrace:\n    [<1>] 0x\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range parseLeaks(text) {
			_, _ = o.ofModule(), o.origin([]symbol{{5, "a"}, {9, "b"}})
		}
		moduleSymbols(text, []wire.Module{{Name: "fifo"}})
	})
}
