package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// TestRealTrees asks the trees of a store for what is known to have changed between them.
func TestRealTrees(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("needs trees in the store: set MODMATRIX_REAL=1 and MODMATRIX_CACHE")
	}
	open := func(pattern string) *Headers {
		found, _ := filepath.Glob(filepath.Join(os.Getenv("MODMATRIX_CACHE"), "trees", pattern, "usr/src/linux-headers-*"))
		if len(found) == 0 {
			t.Skip("the store holds no " + pattern)
		}
		h := &Headers{Release: pattern}
		for _, f := range found {
			h.dirs = append(h.dirs, dir{filepath.Join(f, "include"), "include"})
			if s := filepath.Join(f, "Module.symvers"); !strings.HasSuffix(f, "-common") {
				h.symvers = s
			}
		}
		return h
	}
	h61, h612, h72 := open("6.1.0-56-amd64-*"), open("6.12.117+deb13-amd64-*"), open("7.2.12+deb13-amd64-*")
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
		{h612, h72, results.Ident{Name: "from_timer"}, results.DeclRemoved},
		{h612, h72, results.Ident{Name: "del_timer_sync"}, results.DeclRemoved},
		{h612, h72, results.Ident{Name: "v4l2_fh_add"}, results.DeclChanged},
		{h612, h72, results.Ident{Name: "linux/mutex.h", Kind: Header}, results.DeclSame},
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
