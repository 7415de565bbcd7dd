package api

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestCompare(t *testing.T) {
	old := tree(t, header{"include/linux/a.h": "void gone(int);\nextern int same(int a);\nint changed(int);\nvoid moved(void);\n#define MAC(a) a\nstruct s { int there; int gone; };\n/* commented */ void commented(void);\n",
		"Module.symvers": "0x1\tsym\tvmlinux\tEXPORT_SYMBOL\t\n"})
	fresh := tree(t, header{"include/linux/a.h": "int __must_check same(int a);\nint changed(int, int);\n#define MAC(a, b) a\nstruct s { int there; };\n/* commented was here */\n", "include/linux/b.h": "void moved(void);\nvoid fresh(void);\n"})
	for _, c := range []struct {
		id                    results.Ident
		what                  results.Difference
		old, new, holds, tell string
	}{
		{results.Ident{Name: "gone"}, results.DeclRemoved, "include/linux/a.h", "", "", "include/linux/a.h"},
		{results.Ident{Name: "same"}, results.DeclSame, "include/linux/a.h", "include/linux/a.h", "", ""},
		{results.Ident{Name: "changed"}, results.DeclChanged, "include/linux/a.h", "include/linux/a.h", "", "include/linux/a.h"},
		{results.Ident{Name: "moved"}, results.DeclMoved, "include/linux/a.h", "include/linux/b.h", "", ""},
		{results.Ident{Name: "MAC"}, results.DeclChanged, "include/linux/a.h", "include/linux/a.h", "", "include/linux/a.h"},
		{results.Ident{Name: "fresh"}, results.DeclAdded, "", "include/linux/b.h", "", ""},                        // the old tree has no b.h to grep in
		{results.Ident{Name: "commented"}, results.DeclRemoved, "include/linux/a.h", "", "", "include/linux/a.h"}, // as commented(void)
		{results.Ident{Name: "nothing"}, results.DeclUnseen, "", "", "", ""},
		{results.Ident{Name: "sym", Kind: Symbol}, results.DeclRemoved, "Module.symvers", "", "", ""},
		{results.Ident{Name: "gone", Of: "struct s", Kind: Member}, results.DeclRemoved, "include/linux/a.h", "", "include/linux/a.h", "include/linux/a.h"},
		{results.Ident{Name: "there", Of: "struct s", Kind: Member}, results.DeclSame, "include/linux/a.h", "include/linux/a.h", "", ""},
		{results.Ident{Name: "linux/b.h", Kind: Header}, results.DeclAdded, "", "include/linux/b.h", "", ""},
	} {
		file := func(d *results.Decl) string {
			if d == nil {
				return ""
			}
			return d.File
		}
		got := Compare(old, fresh, []results.Ident{c.id})[0]
		if got.What != c.what || file(got.Old) != c.old || file(got.New) != c.new || file(got.Holds) != c.holds || got.Telltale != c.tell {
			t.Errorf("%s: got %s, %s, %s, %s, %q", c.id, got.What, file(got.Old), file(got.New), file(got.Holds), got.Telltale)
		}
	}
}

// Whatever a header holds, a declaration is found on a line that there is, and is short enough to show.
func FuzzDeclarations(f *testing.F) {
	f.Add(blkTypes, "bd_inode", "struct block_device")
	f.Add(funcs, "from_timer", "")
	f.Add("#if\n#else {\n}}}};enum{a,b=\"}\\\"\n#define \\\n\\", "a", "")
	f.Add("/*", "x", "struct x")
	f.Fuzz(func(t *testing.T, text, name, of string) {
		if len(name) > 64 || len(text) > 1<<16 {
			return
		}
		lines := strings.Count(text, "\n") + 1
		ids := []results.Ident{{Name: name, Of: of}, {Name: name, Kind: Type}}
		declarations("x.h", []byte(text), ids, func(i int, d results.Decl, holder bool) {
			if d.Line < 1 || d.Line > lines || len(d.Text) > maxText+8 || strings.ContainsAny(d.Text, "\n\t") {
				t.Errorf("%d: %+v in %d lines", i, d, lines)
			}
		})
		for _, id := range Faults(text) {
			if id.Name == "" || !strings.Contains(plainQuotes.Replace(text), id.Name) {
				t.Errorf("%+v", id)
			}
		}
	})
}

// Where a declaration changed, a word of one that the other header has nowhere distinguishes the trees.
func TestDistinguishingWord(t *testing.T) {
	for name, c := range map[string]struct {
		old, fresh, word string
		isNew            bool
	}{
		"a new argument":        {"int f(int a);\n", "int f(int a, struct file *filp);\n", "file", true},
		"an argument less":      {"int f(int a, u64 flags);\n", "int f(int a);\n", "u64", false},
		"only in a comment":     {"/* filp */ int f(int a);\n", "int f(int a, int filp);\n", "f.int.a..int", true},
		"no word is another":    {"int f(int a);\n", "int f(int a, int *a);\n", "f.int.a..int", true},
		"an argument is gone":   {"int f(int a, int *a);\n", "int f(int a);\n", "f.int.a..int", false},
		"another return type":   {"int f(int a);\n", "enum status f(int a);\n", "status", true},
		"the name in the older": {"int f(int a);\n", "\n", "f", false},
		"a comment remembers":   {"int f(char *a);\n", "/* there was an f(), and f(int) */\n", "f.char", false},
		"on two lines":          {"int f(\n\tchar *a);\n", "/* there was an f() */\n", "", false},
		"the name in the newer": {"\n", "int f(int a);\n", "f", true},
	} {
		got := Compare(tree(t, header{"include/linux/a.h": c.old}), tree(t, header{"include/linux/a.h": c.fresh}), []results.Ident{{Name: "f"}})[0]
		if got.Word != c.word || got.WordNew != c.isNew || (got.Telltale != "") != (c.word != "") {
			t.Errorf("%s: %q in %q, new %v; want %q", name, got.Word, got.Telltale, got.WordNew, c.word)
		}
	}
}
