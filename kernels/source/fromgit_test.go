package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

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
