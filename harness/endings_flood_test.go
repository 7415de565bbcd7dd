package harness

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// A guest that prints a gigabyte costs what a guest that prints five megabytes costs, and its first and last words are
// kept.
func TestAGigabyteOfConsole(t *testing.T) {
	f := newFixture(t, `
		call tell boot load begin:test start:one
		console [    2.000000] its first words
		flood console 1073741824
		console [    9.000000] its last words
		call tell ended:one pass:two exit:0 done:test taint:test=4096 unload end
		poweroff`)
	f.spec.Kernels = []string{"debian:old"}
	peak := watchHeap(t)
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if most := peak(); most > 96<<20 {
		t.Errorf("the heap grew to %d MiB", most>>20)
	}
	rec := res.Records[0]
	if !strings.Contains(strings.Join(rec.Notes, "\n"), "incomplete") {
		t.Errorf("nobody is told that the log is not whole: %+v", rec)
	}
	log, err := os.ReadFile(filepath.Join(f.spec.Out, rec.Artifacts.Console))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(log); n < vm.DefaultHead || n > vm.DefaultHead+vm.DefaultTail+200 {
		t.Errorf("%d bytes of the log are kept", n)
	}
	for _, words := range []string{"its first words", "bytes dropped here", "its last words"} {
		if !strings.Contains(string(log), words) {
			t.Errorf("the log is without %q", words)
		}
	}
	if size := sizeOf(t, f.spec.Out); size > 8<<20 {
		t.Errorf("the output folder holds %d MiB", size>>20)
	}
}

// watchHeap looks at the heap until the function that it gives is called, which says how large it was at most.
func watchHeap(t *testing.T) func() uint64 {
	var most atomic.Uint64
	stop := make(chan struct{})
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most.Store(max(most.Load(), m.HeapAlloc))
	}
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				look()
			}
		}
	}()
	t.Cleanup(func() { close(stop) })
	return most.Load
}

// sizeOf adds up the files below dir.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
