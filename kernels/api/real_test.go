package api

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// treesEnv names a JSON file that lists kernel trees, the same as for the tests of kbuild.
const treesEnv = "MODMATRIX_TEST_TREES"

// realHeaders opens the headers of the tree whose release begins with series.
func realHeaders(t *testing.T, series string) *Headers {
	t.Helper()
	text, err := os.ReadFile(os.Getenv(treesEnv))
	var trees []struct {
		Release, Root, KDIR string
		Mounts              []kernels.Mount
	}
	if err := errors.Join(err, json.Unmarshal(text, &trees)); err != nil {
		t.Fatal(err)
	}
	for _, tree := range trees {
		if strings.HasPrefix(tree.Release, series) {
			h, err := Open(&kernels.Tree{Target: kernels.Target{Release: tree.Release}, Root: kernels.Root{Dir: tree.Root}, KDIR: tree.KDIR, Mounts: tree.Mounts})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
	}
	t.Fatalf("%s lists no kernel of %s", treesEnv, series)
	return nil
}

// TestRealTrees compares real trees by what is known to have changed between them.
func TestRealTrees(t *testing.T) {
	if os.Getenv(treesEnv) == "" {
		t.Skip(treesEnv + " names no file with kernel trees")
	}
	h61, h612, h7 := realHeaders(t, "6.1."), realHeaders(t, "6.12."), realHeaders(t, "7.")
	for _, c := range []struct {
		old, fresh *Headers
		id         results.Ident
		want       results.Difference
	}{
		{h61, h612, results.Ident{Name: "strlcpy"}, results.DeclRemoved},
		{h61, h612, results.Ident{Name: "bd_inode", Of: "struct block_device", Kind: Member}, results.DeclRemoved},
		{h61, h612, results.Ident{Name: "class_create"}, results.DeclChanged},
		{h61, h612, results.Ident{Name: "strscpy_pad"}, results.DeclChanged},
		{h61, h612, results.Ident{Name: "kmalloc_array_noprof"}, results.DeclAdded},
		{h612, h7, results.Ident{Name: "from_timer"}, results.DeclRemoved},
		{h612, h7, results.Ident{Name: "del_timer_sync"}, results.DeclRemoved},
		{h612, h7, results.Ident{Name: "v4l2_fh_add"}, results.DeclChanged},
		{h612, h7, results.Ident{Name: "linux/mutex.h", Kind: Header}, results.DeclSame},
		{h61, h612, results.Ident{Name: "strlcpy", Kind: Symbol}, results.DeclRemoved},
		{h61, h612, results.Ident{Name: "asm/unaligned.h", Kind: Header}, results.DeclMoved},
		{h61, h612, results.Ident{Name: "remove", Of: "struct platform_driver", Kind: Member}, results.DeclChanged},
	} {
		got := Compare(c.old, c.fresh, []results.Ident{c.id})[0]
		if got.What != c.want {
			t.Errorf("%s: %s, want %s", c.id, got.What, c.want)
		}
		for _, d := range []*results.Decl{got.Old, got.New, got.Holds} {
			if d != nil {
				t.Logf("%-18s %s %s:%d %s: %s", c.id, got.What, d.File, d.Line, d.Form, d.Text)
			}
		}
	}
}
