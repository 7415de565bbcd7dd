package harness

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// A guest that prints more than the heap may ever hold costs what a guest that prints five megabytes costs. Its first and
// last words are kept, and of all that is between them what it is judged by: a fault cannot hide there.
func TestAFloodOfConsole(t *testing.T) {
	const before = "call send boot load begin:test start:one\nconsole [    2.000000] its first words"
	flood := func(size int) string {
		if raced { // what the heap holds is shown by make real, in a twentieth of the time
			size = min(size, 1<<24)
		}
		return fmt.Sprintf("\nflood console %d\n", size/2)
	}
	const after = "console [    9.000000] its last words\n" +
		"call send pass:three exit:0 done:test taint:test=4096 unload end\npoweroff"
	t.Run("with nothing else in it", func(t *testing.T) {
		rec, _ := playFlood(t, before+flood(1<<25)+"call send ended:one pass:two"+flood(1<<25)+after)
		if got := verdictText(rec.Status, rec.Stage, rec.Code); got != "PASS" {
			t.Errorf("%s: %s", got, rec.Reason)
		}
	})
	t.Run("with a fault in its midst", func(t *testing.T) {
		rec, log := playFlood(t, before+flood(1<<27)+"call send ended:one start:two"+lockdepReport+"\ncall send ended:two"+flood(1<<27)+after)
		if got := verdictText(rec.Status, rec.Stage, rec.Code); got != "FAIL@test lockdep" || !strings.Contains(rec.Reason, `during "two"`) {
			t.Fatalf("%s: %s", got, rec.Reason)
		}
		s := rec.Splats[0]
		if len(rec.Splats) != 1 || !strings.Contains(s.Excerpt, "fifo_write+0x10/0x40 [fifo]") || !strings.Contains(lineOf([]byte(log), s.Line), "possible circular locking") {
			t.Errorf("%+v", rec.Splats)
		}
	})
}

const lockdepReport = `
console [    5.000001] ======================================================
console [    5.000002] WARNING: possible circular locking dependency detected
console [    5.000003] 6.12.1-test #1 Tainted: G           O
console [    5.000004] ------------------------------------------------------
console [    5.000005] fifo.test/71 is trying to acquire lock:
console [    5.000006] ffff888003a5c0a8 (&a->lock){+.+.}-{3:3}, at: fifo_write+0x10/0x40 [fifo]
console [    5.000007] stack backtrace:
console [    5.000008] CPU: 0 PID: 71 Comm: fifo.test
console [    5.000009] Call Trace:
console [    5.000010]  dump_stack_lvl+0x5d/0x80
console [    5.000011]  lock_acquire+0xd1/0x2f0
console [    5.000012]  fifo_write+0x10/0x40 [fifo]`

// playFlood runs a guest that has much to say, and gives its record and the log that is kept.
func playFlood(t *testing.T, script string) (results.Record, string) {
	f := newFixture(t, script)
	f.limits = func(Spec) deadlines {
		return deadlines{boot: 5 * time.Minute, silent: 5 * time.Minute, call: 5 * time.Minute, whole: 9 * time.Minute}
	}
	f.spec.Kernels = Selectors("debian:old")
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
		t.Errorf("no note says that the log is not whole: %+v", rec)
	}
	log, err := os.ReadFile(filepath.Join(f.spec.Out, rec.Artifacts.Console))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(log); n < vm.DefaultHead || n > vm.DefaultHead+vm.DefaultTail+4<<10 {
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
	return rec, string(log)
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
