package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFullDiskIsNamedAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, "full disk", dir, ownMounts())
	await(t, cmd, out)
}

// helpFullDisk has a store of one megabyte.
func helpFullDisk(t *testing.T, s *Store) {
	put(t, s, "builds/old", 600<<10, time.Hour)
	_, _, err := s.Fill(t.Context(), "builds", "big", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "big"), make([]byte, 900<<10), 0o644)
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "modmatrix cache gc") {
		t.Errorf("error: %v", err)
	}
	noTemps(t, s)
	if held(t, s) != "builds/old" {
		t.Errorf("held: %s", held(t, s))
	}
	for i := 0; ; i++ { // not one block is left
		if err := os.WriteFile(filepath.Join(s.Dir(), fmt.Sprint("filler", i)), make([]byte, 64<<10), 0o644); err != nil {
			break
		}
	}
	if _, hit := s.Look("builds", "old"); !hit {
		t.Error("a full disk serves nothing")
	}
	if c, err := s.Trim(1); err != nil || names(c.Gone) != "builds/old" {
		t.Errorf("gone %s, %v", names(c.Gone), err)
	}
	put(t, s, "builds/big", 400<<10, 0)
}

func TestAStoreThatCannotBeWrittenServes(t *testing.T) {
	s := newStore(t)
	put(t, s, "builds/x", 1000, time.Hour)
	cmd, out := child(t, "read-only", s.Dir(), ownMounts())
	await(t, cmd, out)
}

func helpReadOnly(t *testing.T, s *Store) {
	err := errors.Join(syscall.Mount(s.Dir(), s.Dir(), "", syscall.MS_BIND, ""),
		syscall.Mount("", s.Dir(), "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, hit := s.Look("builds", "x"); !hit {
		t.Error("Look finds nothing")
	}
	if _, hit, err := s.Fill(t.Context(), "builds", "x", nil); !hit || err != nil {
		t.Error("Fill finds nothing:", err)
	}
	if all, err := s.Usage(); names(all) != "builds/x" || err != nil {
		t.Error(names(all), err)
	}
	if n, bad, err := s.Verify(t.Context(), nil); n != 1 || len(bad) > 0 || err != nil {
		t.Error(n, bad, err)
	}
	_, _, err = s.Fill(t.Context(), "builds", "y", func(string) error { return nil })
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "MODMATRIX_CACHE") {
		t.Error("a miss:", err)
	}
	work, release, err := s.WorkDir()
	if err != nil {
		t.Fatal("a run:", err)
	}
	if err := os.WriteFile(filepath.Join(work, "log"), nil, 0o644); err != nil {
		t.Error("its folder:", err)
	}
	if release(); exists(work) {
		t.Error("its folder is left")
	}
	if _, err := s.Collect(t.Context(), Limits{MaxBytes: 1}); !errors.Is(err, syscall.EROFS) {
		t.Error("collect:", err)
	}
}
