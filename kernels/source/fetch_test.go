package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func TestFetch(t *testing.T) {
	s, st := newSource(t)
	file := put(t, filepath.Join(t.TempDir(), "linux.tar.xz"), pack(t, "xz", tarOf(t, fakeKernel)))
	tree, err := fetch(t, s, "tar:"+file+"+kasan")
	if err != nil {
		t.Fatal(err)
	}
	if tree.Target.Release != "6.12.3" || tree.Target.Profile != "kasan" || !tree.Config.Enabled("KASAN") || tree.KDIR != guestKDIR {
		t.Errorf("%+v", tree.Target)
	}
	for _, path := range []string{tree.Image, tree.DotFile, tree.Modules + "/modules.dep"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	var left []string
	linux := filepath.Join(tree.Dir, "linux")
	_ = filepath.WalkDir(linux, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(linux, path); !d.IsDir() {
			left = append(left, name)
		}
		return err
	})
	const want = ".config Kconfig Makefile Module.symvers arch/x86/Makefile arch/x86/include/asm/b.h include/config/auto.conf include/linux/a.h scripts/after.sh scripts/before.sh tools/objtool/objtool"
	if got := strings.Join(left, " "); got != want {
		t.Errorf("left is\n%s, want\n%s", got, want)
	}
	again, err := fetch(t, New(st, hostRoot{}), "tar:"+file+"+kasan")
	if err != nil || again.Dir != tree.Dir || again.Digest != tree.Digest {
		t.Error("not found again:", err)
	}
	plain, err := fetch(t, s, "tar:"+file)
	if err != nil || plain.Digest == tree.Digest || plain.Config.Enabled("KASAN") {
		t.Error("another profile is not another tree:", err)
	}
	all, err := fetch(t, s, "tar:"+file+"+defconfig")
	if err != nil || !all.Config.Enabled("WHOLE") {
		t.Error("defconfig:", err)
	}
	noTemps(t, st)
}

func noTemps(t *testing.T, st *store.Store) {
	t.Helper()
	if temps, _ := filepath.Glob(filepath.Join(st.Dir(), "trees", ".tmp*")); len(temps) > 0 {
		t.Error("left behind:", temps)
	}
}

func TestResolveRefuses(t *testing.T) {
	dir := repository(t, fakeKernel)
	other := repository(t, map[string]string{"README": "x"})
	file := put(t, filepath.Join(t.TempDir(), "x.tar"), tarOf(t, map[string]string{"README": "x"}))
	junk := put(t, filepath.Join(t.TempDir(), "junk.tar.xz"), []byte("\xfd7zXZ\x00 and then nothing"))
	empty := t.TempDir()
	gitIn(t, empty, "init", "-q")
	s, _ := newSource(t)
	for selector, want := range map[string]string{
		"git:" + empty:                    "nothing is checked out in " + empty + ": it has no commit yet",
		"git:" + dir + "@v6.12..v6.1":     "v6.12..v6.1 begins after it ends: write v6.1..v6.12",
		"git:" + dir + "@v6.12.4":         "has no revision v6.12.4; its nearest tags are v6.12.3",
		"git:" + dir + "@lts..":           "has no revision lts..; its nearest tags are v6.12.3",
		"git:" + dir + "@v6.13..":         "has no revision v6.13..",
		"git:" + dir + "+kasn":            "no profile kasn; there are clang debug defconfig",
		"git:" + dir + "+kasan+kcsan":     "exclude each other",
		"git:" + other:                    "has no Makefile: is this a Linux kernel's repository?",
		"git:" + filepath.Dir(file):       "is no git repository",
		"git:/nowhere@v6.1":               "is no git repository",
		"tar:/nowhere.tar":                "there is no /nowhere.tar",
		"tar:" + dir:                      "is no file (dir:",
		"tar:" + file:                     "it has no folder with a Makefile",
		"tar:" + junk:                     "read " + junk,
		"tar:" + filepath.Dir(junk) + "/": "is no file",
	} {
		sel, err := kernels.ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Resolve(t.Context(), sel)
		if err == nil || !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v; want %s", selector, res.Targets, err, want)
		}
	}
}

func TestChangesAreSaidAloud(t *testing.T) {
	dir := repository(t, fakeKernel)
	put(t, filepath.Join(dir, "init/main.c"), []byte("changed"))
	s, _ := newSource(t)
	res, err := s.Resolve(t.Context(), kernels.Selector{Source: "git", Name: dir})
	if err != nil || len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "not committed") {
		t.Error(res.Notices, err)
	}
}

// TestApart: of two sources of one version each becomes a kernel of its own name.
func TestRenamed(t *testing.T) {
	s, _ := newSource(t)
	file := put(t, filepath.Join(t.TempDir(), "linux.tar"), tarOf(t, fakeKernel))
	dir := repository(t, fakeKernel)
	for selector, mark := range map[string]string{"tar:" + file: "-t", "git:" + dir + "@" + "v6.12.3": "-g"} {
		sel, err := kernels.ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Resolve(t.Context(), sel)
		if err != nil {
			t.Fatal(err)
		}
		plain := res.Targets[0]
		target, ok := s.Renamed(plain)
		if !ok || plain.Release != "6.12.3" || !strings.HasPrefix(target.Release, "6.12.3"+mark) || len(target.Release) != len("6.12.3-t")+12 {
			t.Errorf("%s: %s, %v", selector, target.Release, ok)
		}
		if again, ok := s.Renamed(target); ok {
			t.Errorf("%s: %s is marked twice: %s", selector, target.Release, again.Release)
		}
		one, err := s.Fetch(t.Context(), plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.Fetch(t.Context(), target, nil)
		if err != nil || one.Dir == other.Dir || other.Target.Release != target.Release {
			t.Errorf("%s: %+v, %v", selector, other, err)
		}
	}
	if _, ok := s.Renamed(kernels.Target{Source: "dir:/x", Release: "6.12.3"}); ok {
		t.Error("the kernel of a folder was called something else")
	}
}

func TestFetchFails(t *testing.T) {
	nope := fstest.MapFS{"nope.config": {Data: []byte("# why\nCONFIG_NOPE=y\n")}, "name.config": {Data: []byte("# why\nCONFIG_LOCALVERSION=\"-mine\"\n")}}
	for name, tt := range map[string]struct {
		files   map[string]string
		profile string
		want    string
	}{
		"a line that does not take effect": {fakeKernel, "+nope", "CONFIG_NOPE=y of profile nope: make olddefconfig dropped it; it depends on NEVER (Kconfig:5)"},
		"a profile that renames":           {fakeKernel, "+name", `calls itself "6.12.3-mine" and not 6.12.3`},
		"a compiler error": {with("scripts/before.sh", "echo '  CC      lib/error.o'; echo 'init/main.c:1:1: error: what is this' >&2; exit 1"), "",
			"compile: make: init/main.c:1:1: error: what is this (all of it: "},
		"no image":             {with("scripts/before.sh", "ln -s /nowhere arch/x86/boot; mkdir -p /tmp/x; exit 3"), "", "compile: make: "},
		"a link for the host":  {with("scripts/after.sh", "ln -s /etc/passwd /out/lib/modules/x"), "", "x is neither file nor folder"},
		"an image that is one": {with("scripts/after.sh", "rm arch/x86/boot/bzImage; ln -s /etc/shadow arch/x86/boot/bzImage"), "", "install: sh: "},
		"a configuration elsewhere": {with("Makefile", strings.Replace(fakeKernel["Makefile"], "kernelrelease:\n", "kernelrelease:\n\t@rm .config; ln -s /etc/passwd .config\n", 1)), "",
			"escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			s, st := newSource(t)
			having(s, nope)
			file := put(t, filepath.Join(t.TempDir(), "linux.tar"), tarOf(t, tt.files))
			tree, err := fetch(t, s, "tar:"+file+tt.profile)
			if err == nil || !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v %v, want %s", tree, err, tt.want)
			}
			noTemps(t, st)
			logs, _ := filepath.Glob(filepath.Join(st.Dir(), "compile/*.log"))
			if len(logs) != 1 {
				t.Errorf("the log of a build that failed must outlive it: %v", logs)
			}
		})
	}
}

// TestOneBuildForAll: several who want one tree get one; it is compiled once.
func TestOneBuildForAll(t *testing.T) {
	s, st := newSource(t)
	file := put(t, filepath.Join(t.TempDir(), "linux.tar.gz"), pack(t, "gz", tarOf(t, with("scripts/before.sh", "sleep 0.3; date +%N > include/when"))))
	var group sync.WaitGroup
	dirs := make([]string, 4)
	for i := range dirs {
		group.Go(func() {
			sel, _ := kernels.ParseSelector("tar:" + file)
			one := New(st, hostRoot{})
			if i == 0 {
				one = s
			}
			res, err := one.Resolve(t.Context(), sel)
			if err != nil {
				t.Error(err)
				return
			}
			tree, err := one.Fetch(t.Context(), res.Targets[0], nil)
			if err != nil {
				t.Error(err)
				return
			}
			text, err := os.ReadFile(filepath.Join(tree.Dir, "linux/include/when"))
			dirs[i] = string(text)
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, d := range dirs {
		if d != dirs[0] || d == "" {
			t.Error("compiled more than once:", dirs)
		}
	}
}

// TestCancelLeavesNothing: neither files nor processes.
func TestCancelLeavesNothing(t *testing.T) {
	s, st := newSource(t)
	// The child takes itself out of the group and waits; a file in the source says that it is there.
	file := put(t, filepath.Join(t.TempDir(), "linux.tar.zst"), pack(t, "zst", tarOf(t, with("scripts/before.sh", "setsid sh -c 'touch running; sleep 100' & wait"))))
	res, err := s.Resolve(t.Context(), kernels.Selector{Source: "tar", Name: file})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if there, _ := filepath.Glob(filepath.Join(st.Dir(), "trees/.tmp*/linux/running")); len(there) > 0 {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	began := time.Now()
	_, err = s.Fetch(ctx, res.Targets[0], nil)
	if !errors.Is(err, context.Canceled) || errors.Is(err, kernels.ErrUnavailable) {
		t.Error("canceled:", err, time.Since(began))
	}
	noTemps(t, st)
	if again, err := s.store.Lock(t.Context(), "source.compile", true); err != nil {
		t.Error(err)
	} else {
		again()
	}
}

func TestProgressNeverPassesItsEnd(t *testing.T) {
	var last kernels.Progress
	l := &buildLog{out: os.Stderr, report: func(p kernels.Progress) { last = p }}
	l.step("compile", 3)
	for range 10 {
		l.read([]byte("  CC      a.o"))
	}
	if last.Done != 2 || last.Total != 3 {
		t.Error(last)
	}
}
