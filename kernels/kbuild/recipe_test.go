package kbuild

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// cook builds by a recipe of shell scripts, in a folder deep in a root that lacks it.
func cook(t *testing.T, dir string, recipe Recipe, scripts ...string) (*Artifact, string, error) {
	t.Helper()
	recipe.At = "/var/lib/pack/hello/1/build"
	for _, script := range scripts {
		recipe.Steps = append(recipe.Steps, Step{Command: []string{"sh", "-c", script}})
	}
	if recipe.Modules == nil {
		recipe.Modules = []string{"out/hello.ko"}
	}
	var log bytes.Buffer
	a, err := Build(t.Context(), Request{Tree: fakeTree(t), Source: Source{Top: dir}, Dir: t.TempDir(), Log: &log, Recipe: &recipe, Make: []string{"A=b c"}})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("error: %v\n%s", err, log.String())
		}
	})
	return a, log.String(), err
}

func TestRecipe(t *testing.T) {
	after := Step{Name: "POST_BUILD ./x", Command: []string{"sh", "-c", "rm out/hello.ko; echo after"}, Shown: "x --shown"}
	a, log, err := cook(t, withKO(t, ":"), Recipe{After: []Step{{Note: "nothing to do"}, after}},
		`mkdir out; cp hello.bin real.ko; ln -s ../real.ko out/hello.ko; pwd`, `echo 0x1 f x EXPORT_SYMBOL >out/Module.symvers`,
		`printf 'all:\n\t@echo "A is $(A)"\n' >mk; make -f mk`)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Modules) != 1 || filepath.Base(a.Modules[0].Path) != "real.ko" || !strings.HasSuffix(a.Symvers, "/out/Module.symvers") {
		t.Errorf("artifact %+v", a)
	}
	for _, want := range []string{"\n/var/lib/pack/hello/1/build\n", "\nA is b c\n", "# note:     nothing to do\n", "# command:  x --shown\nafter\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %q", want)
		}
	}
}

func TestRecipeFaults(t *testing.T) {
	const at = "/var/lib/pack/hello/1/build/"
	make2 := func(text string) string { return "cat >&2 <<'E'\n" + text + "\nE\nexit 2" }
	for name, test := range map[string]struct {
		recipe Recipe
		script string
		code   results.Code
		want   string
	}{
		"no ko":     {Recipe{}, "true", results.CodeKoMissing, "out/hello.ko was not built, though the package lists it"},
		"pipe":      {Recipe{}, "(" + make2(at+"a.c:3:1: error: no") + ") | cat", results.CodeKoMissing, "lists it; make's exit code was lost: a.c:3: no"},
		"link out":  {Recipe{}, "mkdir out; ln -s /etc/passwd out/hello.ko", results.CodeKoMissing, "out/hello.ko is a link"},
		"declares":  {Recipe{Modules: []string{}}, "true", results.CodeKoMissing, "no module was built: the package names none"},
		"way out":   {Recipe{Modules: []string{"../x.ko"}}, "true", results.CodeKoMissing, "../x.ko is not in the build folder"},
		"in folder": {Recipe{}, "mkdir out; touch out/a.c; " + make2("a.c:3:1: error: no\nmake[2]: *** [x: a.o] Error 1"), results.CodeBuildError, "out/a.c:3: no"},
		"uname": {Recipe{}, make2("make: *** /lib/modules/5.9.1/build: No such file or directory.  Stop."), results.CodeBuildError,
			"the Makefile ignores the kernel it is given, e.g. by `uname -r`: it looks for /lib/modules/5.9.1/build"},
		"probes": {Recipe{}, "touch b.c; " + make2("conftest.c:1:1: error: unknown type name 'x'\nmake[2]: [Makefile:3: probe] Error 1 (ignored)\n"+
			at+"b.c:7:9: error: too few arguments\n   7 | f();\nmake[3]: *** [scripts/Makefile.build:250: "+at+"b.o] Error 1"), results.CodeBuildError, "b.c:7: too few arguments"},
		"probes, then modpost": {Recipe{}, make2("conftest.c:1:1: error: unknown type name 'x'\nERROR: modpost: \"f\" [" + at + "h.ko] undefined!\n" +
			"make[2]: *** [scripts/Makefile.modpost:1: " + at + "Module.symvers] Error 1"), results.CodeModpostError, "h.ko: undefined symbol f"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := cook(t, withKO(t, ":"), test.recipe, test.script)
			var fault *Error
			if !errors.As(err, &fault) || fault.Code != test.code || !strings.HasSuffix(fault.Reason, test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestRecipeScript: what a script that failed said last is the reason, and its probes' errors are not.
func TestRecipeScript(t *testing.T) {
	step := Step{Name: "PRE_BUILD ./configure", Command: []string{"sh", "-c", "echo x.c:1:1: error: probing; echo no libfoo; exit 3"}}
	_, _, err := cook(t, withKO(t, ":"), Recipe{Steps: []Step{step}}, "true")
	if want := "build-error: PRE_BUILD ./configure failed with exit code 3: no libfoo"; err == nil || err.Error() != want {
		t.Errorf("error is %v", err)
	}
}

// TestRecipeWithoutProgram: what a package needs and the root has not got says nothing of the module.
func TestRecipeWithoutProgram(t *testing.T) {
	_, _, err := cook(t, withKO(t, ":"), Recipe{}, "no-such-program")
	if fault := (*Error)(nil); err == nil || errors.As(err, &fault) || !strings.Contains(err.Error(), "the root lacks no-such-program, which the build runs (") ||
		!strings.Contains(err.Error(), "no-such-program: not found") {
		t.Errorf("error is %v", err)
	}
}

func TestRequestSymbols(t *testing.T) {
	symvers := filepath.Join(t.TempDir(), "Module.symvers")
	if err := os.WriteFile(symvers, []byte("other's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	_, err := Build(t.Context(), Request{Tree: fakeTree(t), Source: Source{Top: withKO(t, makeHello+`; cat $KBUILD_EXTRA_SYMBOLS`)}, Dir: t.TempDir(), Log: &log, Symbols: []string{symvers}})
	if err != nil || !strings.Contains(log.String(), "\nother's\n") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

func TestSandboxRun(t *testing.T) {
	s := Sandbox{Tree: fakeTree(t), Dir: t.TempDir(), At: "/usr/src/p-1", Mounts: []kernels.Mount{{Host: t.TempDir(), Guest: "/usr/src/q-1"}}, Env: [][2]string{{"X", "y"}}}
	var out bytes.Buffer
	exit, err := s.Run(t.Context(), &out, "sh", "-c", "echo $X $PWD; echo a >b; ls /usr/src; touch /usr/src/q-1/c; exit 7")
	if err != nil || exit != 7 || !strings.HasPrefix(out.String(), "y /usr/src/p-1\n") || !strings.Contains(out.String(), "\nq-1\n") {
		t.Errorf("%d, %v: %s", exit, err, out.String())
	}
	if left, _ := os.ReadDir(s.Mounts[0].Host); len(left) > 0 {
		t.Error("a mount was written to")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, &out, "true"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
