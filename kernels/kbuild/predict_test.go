package kbuild

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

const symvers = "0x11111111\tplain\tvmlinux\tEXPORT_SYMBOL\t\n0x22222222\tgpl\tdrivers/a\tEXPORT_SYMBOL_GPL\n" +
	"0x33333333\tspaced\tvmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF\n0x44444444\tprivate\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm-amd,vir*\n" +
	"nonsense\n0xzz\tbad\tvmlinux\tEXPORT_SYMBOL\n0x99999999\tplain\tother\tEXPORT_SYMBOL_GPL\n"

func exportsOf(t testing.TB, text string) map[string]export {
	t.Helper()
	exports := map[string]export{}
	if err := parseSymvers(strings.NewReader(text), exports); err != nil {
		t.Fatal(err)
	}
	return exports
}

func TestProblems(t *testing.T) {
	exports := exportsOf(t, symvers)
	if len(exports) != 4 {
		t.Fatalf("exports %v", exports)
	}
	for name, test := range map[string]struct {
		needs     needs
		versioned bool
		want      []string
	}{
		"well":              {needs{module: Module{Name: "m", License: "GPL v2"}, symbols: []string{"gpl", "plain"}}, true, nil},
		"unresolved":        {needs{module: Module{Name: "m"}, symbols: []string{"absent", "own"}, exported: map[string]bool{"own": true}}, true, []string{"m: the kernel exports no absent"}},
		"licence":           {needs{module: Module{Name: "m", License: "Proprietary"}, symbols: []string{"gpl", "plain"}}, true, []string{"m: gpl is for modules under a GPL-compatible licence only: its licence is Proprietary"}},
		"no licence":        {needs{module: Module{Name: "m"}, symbols: []string{"gpl"}}, true, []string{"m: gpl is for modules under a GPL-compatible licence only: its licence is not said"}},
		"namespace":         {needs{module: Module{Name: "m", License: "GPL"}, symbols: []string{"spaced"}}, true, []string{"m: spaced lies in a namespace that the module does not import: DMA_BUF"}},
		"namespace of two":  {needs{module: Module{Name: "m", License: "GPL"}, symbols: []string{"spaced"}, imports: []string{"X", "DMA_BUF"}}, true, nil},
		"private":           {needs{module: Module{Name: "m", License: "GPL"}, symbols: []string{"private"}}, true, []string{"m: private lies in a namespace that the module does not import: module:kvm-amd,vir*"}},
		"private, named":    {needs{module: Module{Name: "kvm_amd", License: "GPL"}, symbols: []string{"private"}}, true, nil},
		"private, glob":     {needs{module: Module{Name: "virtio", License: "GPL"}, symbols: []string{"private"}}, true, nil},
		"versions":          {needs{module: Module{Name: "m"}, versions: map[string]uint32{"plain": 1, "absent": 1}}, true, []string{"m: plain was built for another kernel's prototype (CRC): 0x00000001, and the kernel has 0x11111111"}},
		"versions agree":    {needs{module: Module{Name: "m"}, versions: map[string]uint32{"plain": 0x11111111}}, true, nil},
		"versions not kept": {needs{module: Module{Name: "m"}, versions: map[string]uint32{"plain": 1}}, false, nil},
	} {
		var got []string
		for _, p := range test.needs.problems(exports, test.versioned) {
			got = append(got, p.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestPredict: testdata/hello.ko against a kernel that lacks one of the symbols it needs, and has another's CRC wrong.
func TestPredict(t *testing.T) {
	n, err := readNeeds(Module{Name: "hello", Path: "testdata/hello.ko"})
	if err != nil || len(n.symbols) == 0 || len(n.versions) == 0 {
		t.Fatalf("%+v, %v", n, err)
	}
	tree := fakeTree(t)
	tree.Config, err = kconfig.Parse(strings.NewReader("CONFIG_MODVERSIONS=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i, symbol := range n.symbols {
		crc := "0x" + strings.Repeat("0", 8)
		if i > 0 {
			lines.WriteString(crc + "\t" + symbol + "\tvmlinux\tEXPORT_SYMBOL\t\n")
		}
	}
	write := func(name, text string) {
		file := filepath.Join(tree.Mounts[0].Host, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := &Artifact{Modules: []Module{{Name: "hello", License: "GPL", Path: "testdata/hello.ko"}}}
	if _, err := Predict(tree, a, nil); err == nil || !strings.Contains(err.Error(), "has no Module.symvers") {
		t.Errorf("error is %v", err)
	}
	write("Module.symvers", lines.String())
	write("include/linux/x.h", "#ifdef CONFIG_X\nint "+n.symbols[0]+"(void);\n#endif\n")
	problems, err := Predict(tree, a, nil)
	want := "hello: the kernel exports no " + n.symbols[0] + ": declared in linux/x.h under CONFIG_X, which this kernel has not set"
	if err != nil || len(problems) != 1 || problems[0].String() != want {
		t.Errorf("%v, %v", problems, err)
	}
	other := filepath.Join(t.TempDir(), "Module.symvers")
	if err := os.WriteFile(other, []byte("0x0\t"+n.symbols[0]+"\tother\tEXPORT_SYMBOL\t\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if problems, err := Predict(tree, a, []string{other}); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestHint(t *testing.T) {
	config, err := kconfig.Parse(strings.NewReader("CONFIG_Y=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"int f(int);\n": ", and exported by nothing in this kernel",
		"#ifdef CONFIG_X\nextern int f;\n#endif\n":                                               " under CONFIG_X, which this kernel has not set",
		"#if IS_ENABLED(CONFIG_X) /* no */\nint f(int);\n#endif\n":                               " under CONFIG_X, which this kernel has not set",
		"#ifdef CONFIG_Y\n#if defined(CONFIG_X)\n#endif\nint f(int);\n#endif\n":                  ", and exported by nothing in this kernel",
		"#ifdef CONFIG_X\n#else\nstatic inline int f(int)\n{\n}\nint f(int);\n#endif\n":          ", and exported by nothing in this kernel",
		"#ifndef CONFIG_X\nint f(int);\n#endif\n":                                                ", and exported by nothing in this kernel",
		"#if defined(CONFIG_X) || defined(CONFIG_Y)\nint f(int);\n#endif\n#endif\n#else\n":       ", and exported by nothing in this kernel",
		"#ifdef CONFIG_Y\n#ifdef CONFIG_X\nextern struct a *f(void);\n#endif\n#elif 1\n#endif\n": " under CONFIG_X, which this kernel has not set",
	} {
		dir := fstest.MapFS{"linux/f.h": {Data: []byte(text)}}
		conditions, ok := declared(dir, "linux/f.h", map[string]int{"f": 0})["f"]
		if got := whyAbsent(conditions, config); !ok || got != want {
			t.Errorf("%q: %v %q", text, ok, got)
		}
	}
	if got := declared(fstest.MapFS{"linux/f.h": {Data: []byte(" * f() is\nint ff(int); f = 1;\nstatic inline int f(void)\n")}}, "linux/f.h", map[string]int{"f": 0}); len(got) > 0 {
		t.Errorf("found %v", got)
	}
	hint(&kernels.Tree{Root: kernels.Root{Dir: "/nonexistent"}}, []Problem{{Kind: "unresolved", Symbol: "f"}})
}

func FuzzSymvers(f *testing.F) {
	f.Add(symvers)
	f.Fuzz(func(t *testing.T, text string) {
		exports := map[string]export{}
		if parseSymvers(strings.NewReader(text), exports) != nil {
			return
		}
		for name, e := range exports {
			if e.admits("a", nil) && e.namespace != "" && !strings.HasPrefix(e.namespace, "module:") {
				t.Errorf("%q admits anybody to %q", e.namespace, name)
			}
		}
	})
}
