package debian

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestSharedStoreServesKernels: another user's kernel and root are used in place, without the archive; where their root has no
// place for a kernel of ours, we make one of our own.
func TestSharedStoreServesKernels(t *testing.T) {
	a := twoSuites(t)
	theirs := a.warm()
	target := resolved(t, theirs, "debian:bookworm")
	if _, err := theirs.Fetch(t.Context(), target, nil); err != nil {
		t.Fatal(err)
	}
	before := allBelow(t, theirs.store.Dir())
	t.Setenv("MODMATRIX_SHARED", theirs.store.Dir())
	ours := a.warm()
	hits := a.hits.Load()
	tree, err := ours.Fetch(t.Context(), target, nil)
	if err != nil || !ours.store.Shares(tree.Dir) || !ours.store.Shares(tree.Root.Dir) || a.hits.Load() != hits {
		t.Fatalf("%+v, asked the archive %d times, %v", tree, a.hits.Load()-hits, err)
	}
	checkMounts(t, tree)
	other, err := ours.Fetch(t.Context(), resolved(t, ours, "debian:bookworm@6.1.176"), nil)
	if err != nil || ours.store.Shares(other.Dir) || ours.store.Shares(other.Root.Dir) {
		t.Fatalf("%+v, %v", other, err)
	}
	checkMounts(t, other)
	if root, err := ours.Root(t.Context(), "bookworm", target.RootPkgs, nil); err != nil || ours.store.Shares(root.Dir) {
		t.Error("a root to compile kernels in must be ours:", root, err)
	}
	if now := allBelow(t, theirs.store.Dir()); now != before {
		t.Errorf("their store was\n%s\nand is\n%s", before, now)
	}
}

// allBelow is what lies below dir, with the time of the last change.
func allBelow(t *testing.T, dir string) (all string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		info, infoErr := os.Lstat(path)
		if err := errors.Join(err, infoErr); err != nil {
			return err
		}
		all += path + " " + info.ModTime().String() + "\n"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
