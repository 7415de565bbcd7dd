package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		id         Ident
		want       What
	}{
		{h61, h612, Ident{Name: "strlcpy"}, Removed},
		{h61, h612, Ident{Name: "bd_inode", Of: "struct block_device", Kind: Member}, Removed},
		{h61, h612, Ident{Name: "class_create"}, Changed},
		{h61, h612, Ident{Name: "strscpy_pad"}, Changed},
		{h61, h612, Ident{Name: "kmalloc_array_noprof"}, Added},
		{h612, h72, Ident{Name: "from_timer"}, Removed},
		{h612, h72, Ident{Name: "del_timer_sync"}, Removed},
		{h612, h72, Ident{Name: "v4l2_fh_add"}, Changed},
		{h612, h72, Ident{Name: "linux/mutex.h", Kind: Header}, Same},
		{h61, h612, Ident{Name: "strlcpy", Kind: Symbol}, Removed},
		{h61, h612, Ident{Name: "asm/unaligned.h", Kind: Header}, Moved},
		{h61, h612, Ident{Name: "remove", Of: "struct platform_driver", Kind: Member}, Changed},
	} {
		got := Compare(c.old, c.fresh, []Ident{c.id})[0]
		if got.What != c.want {
			t.Errorf("%s: %s, want %s", c.id, got.What, c.want)
		}
		for _, d := range []*Decl{got.Old, got.New, got.Holds} {
			if d != nil {
				t.Logf("%-18s %s %s:%d %s: %s", c.id, got.What, d.File, d.Line, d.Form, d.Text)
			}
		}
	}
}
