package kbuild

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results"
)

// treesEnv names a JSON file with kernel trees to build real modules against; they are too large to come with the tests.
// Each has release, root, config (a host path) and mounts; KDIR is /usr/src/linux-headers-RELEASE unless kdir says otherwise.
const treesEnv = "MODMATRIX_TEST_TREES"

// eachTree runs f against every real tree.
func eachTree(t *testing.T, f func(*testing.T, *kernels.Tree)) {
	for _, tree := range realTrees(t) {
		t.Run(tree.Target.Release, func(t *testing.T) { f(t, tree) })
	}
}

// realTrees reads the trees of treesEnv, and skips the test without.
func realTrees(t testing.TB) []*kernels.Tree {
	file := os.Getenv(treesEnv)
	if file == "" {
		t.Skipf("%s names no file with kernel trees", treesEnv)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var trees []struct {
		Release, Root, Config, KDIR string
		Mounts                      []kernels.Mount
	}
	if err := json.Unmarshal(raw, &trees); err != nil || len(trees) == 0 {
		t.Fatalf("%s: %d trees, %v", file, len(trees), err)
	}
	var real []*kernels.Tree
	for _, tree := range trees {
		config, err := kconfig.Open(tree.Config)
		if err != nil {
			t.Fatal(err)
		}
		real = append(real, &kernels.Tree{
			Target: kernels.Target{Release: tree.Release},
			Root:   kernels.Root{Dir: tree.Root, Compiler: "gcc"},
			KDIR:   cmp.Or(tree.KDIR, "/usr/src/linux-headers-"+tree.Release), Mounts: tree.Mounts, Config: config,
		})
	}
	return real
}

// source writes a module's source: file name to content.
func source(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// buildIn builds in a fresh folder, and shows the log if the test fails.
func buildIn(t *testing.T, tree *kernels.Tree, dir string, more ...string) (*Artifact, string, error) {
	t.Helper()
	var log bytes.Buffer
	a, err := Build(t.Context(), Request{Tree: tree, Source: Source{Top: dir}, Dir: t.TempDir(), Make: more, Jobs: 2, Log: &log})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("error: %v\n%s", err, log.String())
		}
	})
	return a, log.String(), err
}

const hello = `#include <linux/module.h>
static int n = 3;
module_param(n, int, 0444);
MODULE_PARM_DESC(n, "how often");
static int __init hello_init(void) { pr_info("hello %d\n", n); return 0; }
static void __exit hello_exit(void) { }
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("says hello");
MODULE_VERSION("1.5");
`

func TestRealHello(t *testing.T) {
	eachTree(t, func(t *testing.T, tree *kernels.Tree) {
		dir := source(t, map[string]string{"Makefile": "obj-m := hello-world.o\n", "hello-world.c": hello})
		a, log, err := buildIn(t, tree, dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Modules) != 1 || a.Elapsed <= 0 {
			t.Fatalf("artifact %+v", a)
		}
		m := a.Modules[0]
		if m.Name != "hello_world" || m.Release() != tree.Target.Release || m.Version != "1.5" || m.License != "GPL" || m.Size == 0 || m.SrcVersion == "" {
			t.Errorf("module %+v", m)
		}
		if want := []Param{{"n", "int", "how often"}}; !slices.Equal(m.Params, want) {
			t.Errorf("params %+v", m.Params)
		}
		for _, want := range []string{"# command:  make -C " + tree.KDIR, "# release:  " + tree.Target.Release, "# exit 0, after "} {
			if !strings.Contains(log, want) {
				t.Errorf("log lacks %q", want)
			}
		}
		if strings.Contains(strings.ToLower(log), "warning") {
			t.Error("the build is not quiet")
		}
		left, _ := os.ReadDir(dir)
		if len(left) != 2 {
			t.Errorf("the source was written to: %v", left)
		}
		again, _, err := buildIn(t, tree, dir)
		if err != nil {
			t.Fatal(err)
		}
		one, _ := os.ReadFile(m.Path)
		two, _ := os.ReadFile(again.Modules[0].Path)
		if !bytes.Equal(one, two) {
			t.Error("the same source gave two different modules")
		}
	})
}

func TestRealFaults(t *testing.T) {
	module := func(body string) map[string]string {
		return map[string]string{"Kbuild": "obj-m := sub/m.o\n", "sub/m.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n" + body}
	}
	for name, test := range map[string]struct {
		files  map[string]string
		code   results.Code
		reason string
	}{
		"compiler":   {module("int f(void)\n{\n\treturn nosuch;\n}\n"), results.CodeBuildError, "sub/m.c:5: 'nosuch' undeclared"},
		"header":     {module("void f(void);\nvoid f(void)\n{\n\tBUILD_BUG_ON(1);\n}\n"), results.CodeBuildError, "sub/m.c:6: "},
		"include":    {module("#include \"none.h\"\n"), results.CodeBuildError, "sub/m.c:3: none.h: No such file or directory"},
		"no file":    {map[string]string{"Makefile": "obj-m := gone.o\n"}, results.CodeBuildError, "No rule to make target 'gone.o'"},
		"makefile":   {map[string]string{"Makefile": "obj-m := m.o\n)oops\n"}, results.CodeBuildError, "Makefile:2: missing separator"},
		"undefined":  {module("void nosuch(void);\nstatic int __init i(void) { nosuch(); return 0; }\nmodule_init(i);\n"), results.CodeModpostError, "m.ko: undefined symbol nosuch"},
		"gpl only":   {map[string]string{"Makefile": "obj-m := m.o\n", "m.c": "#include <linux/module.h>\n#include <linux/rcupdate.h>\n#include <linux/kprobes.h>\nMODULE_LICENSE(\"Proprietary\");\nstatic struct kprobe k;\nstatic int __init i(void) { return register_kprobe(&k); }\nmodule_init(i);\n"}, results.CodeModpostError, "uses GPL-only symbol 'register_kprobe'"},
		"no licence": {map[string]string{"Makefile": "obj-m := m.o\n", "m.c": "#include <linux/module.h>\n"}, results.CodeModpostError, "missing MODULE_LICENSE()"},
		"nothing":    {map[string]string{"Makefile": "obj-$(CONFIG_NO_SUCH) := m.o\n", "m.c": ""}, results.CodeKoMissing, "no module was built"},
		"touch etc":  {map[string]string{"Makefile": "obj-m := m.o\n$(obj)/m.o: FORCE\n\ttouch /etc/evil\n"}, results.CodeBuildError, "touch: cannot touch '/etc/evil': Read-only file system"},
	} {
		t.Run(name, func(t *testing.T) {
			eachTree(t, func(t *testing.T, tree *kernels.Tree) {
				_, _, err := buildIn(t, tree, source(t, test.files))
				if name == "no licence" && strings.HasPrefix(tree.Target.Release, "5.10.") && err == nil {
					return // only warned about before Linux kernel commit 1d6cd3929360 ("modpost: turn missing MODULE_LICENSE() into error") (in v5.11)
				}
				var fault *Error
				if !errors.As(err, &fault) {
					t.Fatalf("error is %v", err)
				}
				if fault.Code != test.code || !strings.Contains(fault.Reason, test.reason) {
					t.Errorf("got %v", fault)
				}
				if errors.Is(err, ErrNothingBuilt) != (name == "nothing") {
					t.Errorf("errors.Is ErrNothingBuilt: %v", err)
				}
				if name != "nothing" && len(fault.Excerpt) == 0 || len(fault.Excerpt) > 20 {
					t.Errorf("excerpt of %d lines", len(fault.Excerpt))
				}
				t.Logf("%v\n\t%s", fault, strings.Join(fault.Excerpt, "\n\t"))
			})
		})
	}
}

// TestRealModpostWarning: with KBUILD_MODPOST_WARN in the environment of Make a missing symbol is only warned about.
func TestRealModpostWarning(t *testing.T) {
	eachTree(t, func(t *testing.T, tree *kernels.Tree) {
		dir := source(t, map[string]string{"Makefile": "obj-m := m.o\nexport KBUILD_MODPOST_WARN := 1\n",
			"m.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nvoid nosuch(void);\nstatic int __init i(void) { nosuch(); return 0; }\nmodule_init(i);\n"})
		_, _, err := buildIn(t, tree, dir)
		var fault *Error
		if !errors.As(err, &fault) || fault.Code != results.CodeModpostError {
			t.Fatalf("error is %v", err)
		}
	})
}

func TestRealTwoModules(t *testing.T) {
	eachTree(t, func(t *testing.T, tree *kernels.Tree) {
		a, _, err := buildIn(t, tree, source(t, map[string]string{
			"Makefile": "obj-m := a-user.o z-base.o\n",
			"a-user.c": "#include <linux/module.h>\nint base(void);\nstatic int __init i(void) { return base(); }\nmodule_init(i);\nMODULE_LICENSE(\"GPL\");\n",
			"z-base.c": "#include <linux/module.h>\nint base(void);\nint base(void) { return 0; }\nEXPORT_SYMBOL_GPL(base);\nMODULE_LICENSE(\"GPL\");\n",
		}))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Modules) != 2 || a.Modules[0].Name != "z_base" || !slices.Equal(a.Modules[1].Depends, []string{"z-base"}) {
			t.Errorf("modules %+v", a.Modules)
		}
	})
}

// TestRealHostile: a Makefile that reaches for the host finds none of it, and for another kernel is found out.
func TestRealHostile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOSTSECRET", "x")
	home, _ := os.UserHomeDir()
	eachTree(t, func(t *testing.T, tree *kernels.Tree) {
		_, log, err := buildIn(t, tree, source(t, map[string]string{
			"m.c": hello,
			"Makefile": "obj-m := m.o\n" +
				"$(info secret=$(shell cat " + secret + " >/dev/null 2>&1 && echo seen))\n" +
				"$(info home=$(shell test $$HOME != " + home + " && touch $$HOME/x && echo ok; touch " + home + "/modmatrix-evil 2>&1))\n" +
				"$(info net=$(shell tail -n +3 /proc/net/dev | cut -d: -f1))\n" +
				"$(info env=$(HOSTSECRET))\n" +
				"$(foreach f,/evil /etc/evil /usr/src/evil /usr/lib/evil $(srctree)/evil /dev/evil /proc/sys/kernel/core_pattern,$(info root=$(shell touch $f 2>&1)))\n" +
				"$(info pids=$(shell ls /proc | grep -c '^[0-9]'))\n",
		}))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"secret=seen", "env=x"} {
			if strings.Contains(log, bad) {
				t.Errorf("log has %q", bad)
			}
		}
		for line := range strings.Lines(log) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch {
			case key == "root" && !strings.HasPrefix(value, "touch: cannot touch "),
				key == "home" && !strings.HasPrefix(value, "ok touch: "),
				key == "net" && strings.TrimSpace(value) != "lo",
				key == "pids" && len(value) > 1:
				t.Errorf("the Makefile got through: %s", line)
			}
		}
		if _, err := os.Stat(filepath.Join(home, "modmatrix-evil")); err == nil {
			t.Error("the host's home was written to")
		}
	})
}

func TestRealVermagic(t *testing.T) {
	eachTree(t, func(t *testing.T, tree *kernels.Tree) {
		other := *tree
		other.Target.Release = "6.1.0-other"
		_, _, err := buildIn(t, &other, source(t, map[string]string{"Makefile": "obj-m := m.o\n", "m.c": hello}))
		var fault *Error
		if !errors.As(err, &fault) || fault.Code != results.CodeVermagicMismatch || !strings.Contains(fault.Reason, tree.Target.Release) {
			t.Fatalf("error is %v", err)
		}
	})
}

// TestRealForeign builds sources that others wrote, untouched: the folders that MODMATRIX_TEST_SOURCES lists, with : between.
func TestRealForeign(t *testing.T) {
	const env = "MODMATRIX_TEST_SOURCES"
	if os.Getenv(env) == "" {
		t.Skipf("%s names no folder", env)
	}
	for _, dir := range filepath.SplitList(os.Getenv(env)) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if err := CheckSource(dir); err != nil {
				t.Fatal(err)
			}
			eachTree(t, func(t *testing.T, tree *kernels.Tree) {
				a, _, err := buildIn(t, tree, dir)
				if fault := (*Error)(nil); errors.As(err, &fault) {
					t.Logf("%v\n\t%s", fault, strings.Join(fault.Excerpt, "\n\t"))
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", a.Modules)
			})
		})
	}
}
