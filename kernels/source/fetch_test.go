package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
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

func TestFetchFromGit(t *testing.T) {
	dir := repository(t, fakeKernel)
	head := gitIn(t, dir, "rev-parse", "HEAD")
	bare := filepath.Join(t.TempDir(), "bare.git")
	gitIn(t, dir, "clone", "-q", "--bare", dir, bare)
	shallow := filepath.Join(t.TempDir(), "shallow")
	gitIn(t, dir, "clone", "-q", "--depth=1", "file://"+dir, shallow)
	linked := filepath.Join(t.TempDir(), "worktree")
	gitIn(t, dir, "worktree", "add", "-q", linked, "v6.12.3")
	s, st := newSource(t)
	digests := map[string]string{}
	for _, tt := range []struct{ selector, release string }{
		{"git:" + dir, "6.12.3-g" + head[:12]},
		{"git:" + dir + "@v6.12.3", "6.12.3"},
		{"git:" + dir + "@6.12", "6.12.3"},
		{"git:" + dir + "@" + head[:10], "6.12.3-g" + head[:12]},
		{"git:" + dir + "@main~1", "6.12.3"},
		{"git:" + bare + "@stable", "6.12.3"},
		{"git:" + bare + "@main", "6.12.3-g" + head[:12]},
		{"git:" + shallow, "6.12.3-g" + head[:12]},
		{"git:" + linked, "6.12.3"},
	} {
		tree, err := fetch(t, s, tt.selector)
		if err != nil {
			t.Errorf("%s: %v", tt.selector, err)
			continue
		}
		if tree.Target.Release != tt.release || filepath.Base(tree.Modules) != tt.release {
			t.Errorf("%s is %s, want %s", tt.selector, tree.Target.Release, tt.release)
		}
		if was, ok := digests[tt.release]; ok && was != tree.Digest {
			t.Errorf("%s: one commit, and not one tree", tt.selector)
		}
		digests[tt.release] = tree.Digest
	}
	noTemps(t, st)
}

func TestGitRunsNothingOfTheRepository(t *testing.T) {
	trap := filepath.Join(t.TempDir(), "sprung")
	dir := repository(t, with(".gitattributes", "*.c filter=evil\nMakefile diff=evil\n"))
	for _, key := range []string{"filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "core.fsmonitor", "core.sshCommand", "diff.evil.textconv"} {
		gitIn(t, dir, "config", key, "touch "+trap+"; cat")
	}
	s, _ := newSource(t)
	if _, err := fetch(t, s, "git:"+dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("a program that the repository names was run")
	}
	gitIn(t, dir, "archive", "--output=/dev/null", "HEAD")
	if _, err := os.Stat(trap); err != nil {
		t.Error("the attack does not even work against git")
	}
}

// TestCommitOfALockIsNoOption: a lock says which commit is to be compiled, and a stranger may have written it.
func TestCommitOfALockIsNoOption(t *testing.T) {
	dir := repository(t, fakeKernel)
	s, _ := newSource(t)
	sel, err := kernels.ParseSelector("git:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Resolve(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(t.TempDir(), "written")
	option := "--output=" + written
	res.Targets[0].Packages[0].Version = option
	if _, err := s.Fetch(t.Context(), res.Targets[0], nil); err == nil || !strings.Contains(err.Error(), "is no tree of a commit") {
		t.Error(err)
	}
	if _, err := os.Stat(written); err == nil {
		t.Error("it was taken for an option")
	}
	exec.Command("git", "-C", dir, "archive", option).Run()
	if _, err := os.Stat(written); err != nil {
		t.Error("the attack does not even work against git")
	}
}

// TestGitFetchesNothingForTheRepository: of a partial clone only what is there is read.
func TestGitFetchesNothingForTheRepository(t *testing.T) {
	trap := filepath.Join(t.TempDir(), "sprung")
	dir := repository(t, fakeKernel)
	blob := gitIn(t, dir, "rev-parse", "HEAD:init/main.c")
	for key, value := range map[string]string{"extensions.partialClone": "origin", "remote.origin.promisor": "true", "core.repositoryFormatVersion": "1",
		"remote.origin.url": "file:///", "remote.origin.uploadpack": "touch " + trap + ";"} {
		gitIn(t, dir, "config", key, value)
	}
	if err := os.Remove(filepath.Join(dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	s, _ := newSource(t)
	if _, err := fetch(t, s, "git:"+dir); err == nil || !strings.Contains(err.Error(), "is the clone partial? git fetch it whole") {
		t.Error(err)
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("a program that the repository names was run")
	}
	exec.Command("git", "-C", dir, "archive", "HEAD").Run()
	if _, err := os.Stat(trap); err != nil {
		t.Error("the attack does not even work against git")
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

// TestKindsOfRepositories: a kernel is the same one however much of its repository is there.
func TestKindsOfRepositories(t *testing.T) {
	whole := repository(t, fakeKernel)
	home := t.TempDir()
	at := func(name string) string { return filepath.Join(home, name) }
	gitIn(t, home, "clone", "-q", "--bare", whole, at("bare.git"))
	gitIn(t, whole, "worktree", "add", "-q", at("work tree"), "v6.12.3")
	gitIn(t, home, "clone", "-q", "--depth", "1", "--branch", "main", "file://"+whole, at("shallow"))
	s, _ := newSource(t)
	want := gitIn(t, whole, "rev-parse", "main")
	for selector, commit := range map[string]string{
		whole + "@main": want, at("bare.git") + "@main": want, at("bare.git"): want, at("shallow"): want, at("shallow") + "@main": want,
		at("bare.git") + "@lts":          gitIn(t, whole, "rev-parse", "v6.12.3^{}"),
		at("work tree"):                  gitIn(t, whole, "rev-parse", "v6.12.3^{}"),
		at("work tree") + "@v6.12.3":     gitIn(t, whole, "rev-parse", "v6.12.3^{}"),
		at("work tree") + "@" + want[:9]: want,
	} {
		sel, err := kernels.ParseSelector("git:" + selector)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Resolve(t.Context(), sel)
		if err != nil || len(res.Targets) != 1 || res.Targets[0].Packages[0].Version != commit {
			t.Errorf("%s: %+v, %v; want commit %s", selector, res.Targets, err, commit)
		}
	}
	for _, selector := range []string{at("bare.git") + "@main", at("work tree"), at("shallow")} {
		if _, err := fetch(t, s, "git:"+selector); err != nil {
			t.Errorf("%s: %v", selector, err)
		}
	}
	one, err := origin{kind: "git", path: whole}.home(t.Context())
	two, err2 := origin{kind: "git", path: at("work tree")}.home(t.Context())
	other, err3 := origin{kind: "git", path: at("bare.git")}.home(t.Context())
	if err := errors.Join(err, err2, err3); err != nil || one != two || one == other {
		t.Errorf("what was compiled of one repository serves all its work trees, and no clone's: %s, %s, %s, %v", one, two, other, err)
	}
	_, err = s.Resolve(t.Context(), kernels.Selector{Source: "git", Name: at("shallow"), Version: "v6.12.3"})
	if !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), "no tags at all (a shallow clone? git -C "+at("shallow")+" fetch --tags)") {
		t.Error(err)
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

// TestTheNameOfACommitIsNotConfiguration: what is compiled of one commit serves the next, whose configuration is the same to
// the letter. A version may end like a commit.
func TestTheNameOfACommitIsNotConfiguration(t *testing.T) {
	gentoo := with("Makefile", strings.Replace(fakeKernel["Makefile"], "EXTRAVERSION =", "EXTRAVERSION = -gentoo", 1))
	dir := repository(t, gentoo)
	s, _ := newSource(t)
	var configs []string
	for _, rev := range []string{"main", "v6.12.3"} {
		commit := gitIn(t, dir, "rev-parse", rev+"^{commit}")
		res, err := s.Resolve(t.Context(), kernels.Selector{Source: "git", Name: dir, Version: commit})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := s.Fetch(t.Context(), res.Targets[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "6.12.3-gentoo-g" + commit[:12]; tree.Target.Release != want {
			t.Errorf("%s is called %s, want %s", rev, tree.Target.Release, want)
		}
		config, err := os.ReadFile(tree.DotFile)
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, string(config))
	}
	if configs[0] != configs[1] {
		t.Errorf("two commits have two configurations:\n%s\n%s", configs[0], configs[1])
	}
	file := put(t, filepath.Join(t.TempDir(), "linux.tar"), tarOf(t, gentoo))
	if tree, err := fetch(t, s, "tar:"+file); err != nil || tree.Target.Release != "6.12.3-gentoo" {
		t.Errorf("%+v, %v", tree, err)
	}
}
