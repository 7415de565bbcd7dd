package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// smallDisk is a file system of so many bytes for the rest of the test, at dir.
func smallDisk(t *testing.T, dir string, size int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root, who alone can mount a small disk; CI is")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// leaveFree fills the disk of dir up to so many bytes, and returns what makes the room again.
func leaveFree(t *testing.T, dir string, bytes int) (path string) {
	t.Helper()
	path = filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	page := make([]byte, st.Bsize)
	for n := int(st.Bavail) - bytes/int(st.Bsize); n > 0; n-- {
		if _, err := f.Write(page); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// isFullLine reports whether err is the one clear line on a full folder.
func isFullLine(err error, dir string) bool {
	_, usage := errors.AsType[*UsageError](err)
	return err != nil && !usage && store.IsFull(err) && !strings.Contains(err.Error(), "\n") &&
		strings.Contains(err.Error(), dir+" is full (") && strings.Contains(err.Error(), " free, ") && strings.Contains(err.Error(), " needed)")
}

// The folder of results runs full anywhere between its first file and its last.
func TestAFullFolderOfResults(t *testing.T) {
	f := newFixture(t, "console a line that makes it longer, and is kept\ncall pass\npoweroff\n")
	smallDisk(t, f.spec.Out, 1<<20)
	stopped, through := 0, false
	for pages := 0; !through && pages < 100; pages++ {
		filler := leaveFree(t, f.spec.Out, pages*4096)
		f.spec.Resume = false
		p, err := f.Plan(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Run(t.Context(), p)
		if through = err == nil; !through {
			stopped++
			if !isFullLine(err, f.spec.Out) {
				t.Errorf("%d pages free: error %v", pages, err)
			}
		}
		if through && res.ExitCode() != results.ExitPass {
			t.Errorf("%d pages free: %s", pages, summary(res))
		}
		noHalfFiles(t, f.spec.Out, pages)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		f.spec.Resume = true
		res, err = f.run(t, t.Context())
		if err != nil {
			t.Fatalf("%d pages were free, now there is room: %v", pages, err)
		}
		if res.ExitCode() != results.ExitPass {
			t.Errorf("%d pages were free, now there is room: %s", pages, summary(res))
		}
		for _, name := range []string{results.CellsName, results.FileName, results.JournalName, results.MatrixName} {
			if err := os.RemoveAll(filepath.Join(f.spec.Out, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !through || stopped < 5 {
		t.Errorf("stopped by a full disk %d times, and through: %v", stopped, through)
	}
}

// noHalfFiles reads what a stopped run left: results.json is whole or not there, and no temporary file is.
func noHalfFiles(t *testing.T, dir string, pages int) {
	t.Helper()
	if _, err := results.Read(filepath.Join(dir, results.FileName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%d pages free: %v", pages, err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") && path != dir {
			t.Errorf("%d pages free: left behind: %s", pages, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The store runs full anywhere between the compiled suite and the payload of a guest.
func TestAFullStore(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	smallDisk(t, f.store.Dir(), 24<<20)
	var err error
	if f.store, err = store.Open(f.store.Dir()); err != nil {
		t.Fatal(err)
	}
	outcomes, through := map[string]int{}, false
	for free := 0; !through && free <= 8<<20; free += 32 << 10 {
		filler := leaveFree(t, f.store.Dir(), free)
		f.events, f.spec.Out = nil, t.TempDir()
		p, err := f.Plan(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Run(t.Context(), p)
		switch {
		case err != nil:
			outcomes["refused"]++
			if !isFullLine(err, f.store.Dir()) {
				t.Errorf("%d KiB free: error %v", free>>10, err)
			}
		case res.ExitCode() == results.ExitPass:
			through = !strings.Contains(f.notices(), "full")
			outcomes["passed"]++
		default:
			rec := res.Records[0]
			outcomes[string(rec.Stage)]++
			if res.ExitCode() != 3 || !strings.Contains(rec.Reason, f.store.Dir()+" is full (") || !strings.Contains(f.notices(), " is full (") {
				t.Errorf("%d KiB free: %s, %s; notices %s", free>>10, summary(res), rec.Reason, f.notices())
			}
		}
		if _, bad, err := f.store.Verify(t.Context(), nil); err != nil || len(bad) > 0 {
			t.Errorf("%d KiB free: damaged %v, %v", free>>10, bad, err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if res, err := f.run(t, t.Context()); err != nil || res.ExitCode() != results.ExitPass {
			t.Errorf("%d KiB were free, now there is room: %v, %+v", free>>10, err, res)
		}
		for _, kind := range []string{"suites", "bases", "images", "templates", "builds", "cells", "specs", "noise"} {
			if err := store.RemoveTree(filepath.Join(f.store.Dir(), kind)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("outcomes: %v", outcomes)
	if !through || len(outcomes) < 3 {
		t.Errorf("outcomes: %v", outcomes)
	}
}
