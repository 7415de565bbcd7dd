package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// state is all that can be seen of what lies below dir, times included.
func state(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSharedStoreIsUsedAndNotTouched(t *testing.T) {
	theirs := newStore(t)
	for _, name := range []string{"trees/a", "cells/a", "trees/damaged"} {
		put(t, theirs, name, 10, 0)
	}
	if err := os.WriteFile(filepath.Join(theirs.Dir(), "trees/damaged/content"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODMATRIX_SHARED", theirs.Dir())
	s := newStore(t)
	before := state(t, theirs.Dir())
	made := 0
	fill := func(kind, id string) string {
		dir, _, err := s.Fill(t.Context(), kind, id, func(string) error { made++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	if dir := fill("trees", "a"); dir != filepath.Join(theirs.Dir(), "trees/a") || made != 0 || !s.Shares(dir) {
		t.Errorf("found %s after making %d", dir, made)
	}
	if dir, hit := s.Look("trees", "a"); !hit || !s.Shares(dir) {
		t.Errorf("looked at %s, %v", dir, hit)
	}
	if _, hit := s.Look("cells", "a"); hit {
		t.Error("a verdict of somebody else's counts")
	}
	for n, name := range []string{"cells/a", "trees/damaged", "trees/b"} {
		kind, id, _ := strings.Cut(name, "/")
		if dir := fill(kind, id); s.Shares(dir) || made != n+1 {
			t.Errorf("%s: found %s after making %d", name, dir, made)
		}
	}
	if dir, _, err := s.Own().Fill(t.Context(), "trees", "a", func(string) error { made++; return nil }); err != nil || s.Shares(dir) || made != 4 {
		t.Errorf("one's own: %s, %v", dir, err)
	}
	if dir := fill("trees", "a"); s.Shares(dir) {
		t.Error("one's own is not taken first")
	}
	if c, err := s.Collect(t.Context(), Limits{MaxBytes: 1}); err != nil || len(c.Gone) != 4 {
		t.Error(c, err)
	}
	if _, damaged, err := s.Verify(t.Context(), nil); err != nil || len(damaged) > 0 {
		t.Error(damaged, err)
	}
	if now := state(t, theirs.Dir()); now != before {
		t.Errorf("it was\n%s\nand is\n%s", before, now)
	}
}

func TestSharedStoreMustBeThere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for _, path := range []string{filepath.Join(dir, "absent"), file} {
		t.Setenv("MODMATRIX_SHARED", path)
		if _, err := Open(filepath.Join(dir, "own")); err == nil || !strings.Contains(err.Error(), "MODMATRIX_SHARED: ") || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
	t.Setenv("MODMATRIX_SHARED", filepath.Join(dir, "own"))
	if s, err := Open(filepath.Join(dir, "own")); err != nil || s.Shared() != "" {
		t.Error("one's own is no shared store:", s, err)
	}
}

// TestSharedStoreOfAnotherUser has an ordinary user use what root put in place.
func TestSharedStoreOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "shared") // unlike t.TempDir's, a folder that others can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	theirs, err := Open(filepath.Join(dir, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, theirs, "trees/a", 10, 0)
	own := filepath.Join(dir, "own")
	program := filepath.Join(dir, "program")
	data, err := os.ReadFile("/proc/self/exe")
	const nobody = 65534
	if err := errors.Join(err, os.WriteFile(program, data, 0o755), os.Mkdir(own, 0o755), os.Chown(own, nobody, nobody), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	before := state(t, theirs.Dir())
	cmd := exec.CommandContext(t.Context(), program, "-test.run=TestHelperUseShared", "-test.v")
	cmd.Dir = own
	cmd.Env = append(os.Environ(), "MODMATRIX_SHARED="+theirs.Dir(), "HELPER_STORE="+own)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestHelperUseShared") {
		t.Errorf("%v\n%s", err, out)
	}
	if now := state(t, theirs.Dir()); now != before {
		t.Errorf("it was\n%s\nand is\n%s", before, now)
	}
}

func TestHelperUseShared(t *testing.T) {
	dir := os.Getenv("HELPER_STORE")
	if dir == "" || os.Getenv("MODMATRIX_SHARED") == "" {
		t.Skip("only as a child of TestSharedStoreOfAnotherUser")
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Shared(), "x"), nil, 0o644); err == nil {
		t.Fatal("this user can write to it")
	}
	at, hit, err := s.Fill(t.Context(), "trees", "a", func(string) error { return errors.New("made") })
	if err != nil || !hit || !s.Shares(at) {
		t.Error(at, hit, err)
	}
	if at, hit, err = s.Fill(t.Context(), "trees", "b", func(string) error { return nil }); err != nil || hit || s.Shares(at) {
		t.Error(at, hit, err)
	}
}
