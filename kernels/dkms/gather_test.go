package dkms

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// run runs git in dir, as an author would.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// project is a folder that nobody else may write to, with files; a name that ends in -> is a link.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link, ok := strings.CutSuffix(at, "->"); ok {
			err = os.Symlink(text, link)
		} else {
			err = os.WriteFile(at, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// committed makes a repository of all that is in dir.
func committed(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, "init", "-q", "-b", "main")
	run(t, dir, "add", "-A", "-f")
	run(t, dir, "commit", "-q", "-m", "x")
}

// gathered is the package at given with what belongs to it.
func gathered(t *testing.T, given string, depends ...string) *Package {
	t.Helper()
	p, err := Open(t.Context(), given, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Gather(t.Context(), []string{"suites"}, nil, depends); err != nil {
		t.Fatal(err)
	}
	return p
}

// beside is what is copied besides the module's folder, which comes first.
func beside(s kbuild.Source) string {
	return strings.Join(append([]string{s.Folder + ":"}, slices.DeleteFunc(slices.Clone(s.Parts), func(part string) bool { return part == s.Folder })...), " ")
}

const objects = "obj-m := a.o\n"

// TestGather: what a source refers to is copied with it, as far as it may reach, and nothing else.
func TestGather(t *testing.T) {
	common := map[string]string{"common/x.c": "", "common/x.h": "", "config.mk": "", "lib/deep/y.h": "", "other/z": "", ".secret/k": "", "drv/a.c": "", "README": ""}
	for name, test := range map[string]struct {
		files             map[string]string // besides drv/a.c and what lies beside drv
		inRepo, elsewhere string            // what is copied besides drv, in a repository and without
	}{
		"nothing":           {map[string]string{"drv/Kbuild": objects}, ":", ":"},
		"inside":            {map[string]string{"drv/Kbuild": objects + "include sub/../x.mk\n", "drv/sub/b.c": "#include \"../b.h\"\n", "drv/b.h": ""}, ":", ":"},
		"object":            {map[string]string{"drv/Kbuild": objects + "a-y := ../common/x.o"}, "drv: common", "drv: common"},
		"include folder":    {map[string]string{"drv/Kbuild": objects + "ccflags-y := -I$(src)/../lib/deep"}, "drv: lib/deep", "drv: lib/deep"},
		"symbols":           {map[string]string{"drv/Kbuild": objects + "KBUILD_EXTRA_SYMBOLS := $(M)/../common/Module.symvers"}, "drv: common", "drv: common"},
		"a file above":      {map[string]string{"drv/Kbuild": objects + "include $(src)/../config.mk"}, "drv: *", "drv: config.mk"},
		"all above":         {map[string]string{"drv/Kbuild": objects + "ccflags-y := -I$(src)/.."}, "drv: .", ":"},
		"the top":           {map[string]string{"drv/Kbuild": objects + "T := $(shell git rev-parse --show-toplevel)"}, "drv: .", ":"},
		"code":              {map[string]string{"drv/Kbuild": objects, "drv/b.c": "#include \"../common/x.h\"\n"}, "drv: common", "drv: common"},
		"a link":            {map[string]string{"drv/Kbuild": objects, "drv/x.c->": "../common/x.c"}, "drv: common", "drv: common"},
		"transitive":        {map[string]string{"drv/Kbuild": objects + "include ../common/c.mk", "common/c.mk": "-I$(src)/../lib/deep"}, "drv: common lib/deep", "drv: common lib/deep"},
		"hidden":            {map[string]string{"drv/Kbuild": objects + "x := ../.secret/k"}, "drv: .secret", ":"},
		"beyond":            {map[string]string{"drv/Kbuild": objects + "x := ../../other/k ../../../x /etc/passwd"}, ":", ":"},
		"out by a link":     {map[string]string{"drv/Kbuild": objects + "x := ../out/passwd", "out->": "/etc"}, ":", ":"},
		"a link to outside": {map[string]string{"drv/Kbuild": objects, "drv/passwd->": "/etc/passwd"}, ":", ":"},
		"another project":   {map[string]string{"drv/Kbuild": objects + "x := ../own/x", "own/.git/HEAD": "", "own/x": ""}, "drv: own", ":"},
		"suites":            {map[string]string{"drv/Kbuild": objects, "drv/suites/Makefile": "x := ../../common/x.c"}, ":", ":"},
		"dkms":              {map[string]string{"drv/dkms.conf": goodConf, "drv/Makefile": "x := ../common/x.c"}, ":", ":"},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(common)
			maps.Copy(files, test.files)
			dir := project(t, files)
			if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != test.elsewhere {
				t.Errorf("without a repository it is %q, want %q", got, test.elsewhere)
			}
			os.RemoveAll(filepath.Join(dir, "own/.git"))
			committed(t, dir)
			if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != test.inRepo {
				t.Errorf("in a repository it is %q, want %q", got, test.inRepo)
			}
		})
	}
}

// TestGatherStaysOutOfHomes: what lies beside a folder is none of a source where others may write, or where a user lives.
func TestGatherStaysOutOfHomes(t *testing.T) {
	files := map[string]string{"drv/Kbuild": objects + "a-y := ../common/x.o", "common/x.c": ""}
	dir := project(t, files)
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != "drv: common" {
		t.Fatalf("the control is %q", got)
	}
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != ":" {
		t.Errorf("where everybody may write it is %q", got)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != ":" {
		t.Errorf("in a home it is %q", got)
	}
	committed(t, dir)
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != ":" {
		t.Errorf("in a home that is a repository it is %q", got)
	}
}

// TestGatherInARepositoryOfOthers: a stranger's folder that lies, untracked, in a repository of the user's reads nothing of it.
func TestGatherInARepositoryOfOthers(t *testing.T) {
	dir := project(t, map[string]string{"secret/x.h": "", "mine.c": ""})
	committed(t, dir)
	for name, text := range map[string]string{"Kbuild": objects + "V := $(shell git describe)\n-I../../secret"} {
		at := filepath.Join(dir, "down/load", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if p := gathered(t, filepath.Join(dir, "down/load")); beside(p.Files) != ":" || len(p.Files.Git) > 0 {
		t.Errorf("%+v", p.Files)
	}
}

// TestGatherInASubmodule: what a submodule refers to may lie in the repository that it belongs to, and in none that it merely lies in.
func TestGatherInASubmodule(t *testing.T) {
	sub := project(t, map[string]string{"Kbuild": objects + "ccflags-y := -I$(src)/../inc\n"})
	committed(t, sub)
	dir := project(t, map[string]string{"inc/x.h": ""})
	committed(t, dir)
	run(t, dir, "clone", "-q", sub, "drv")
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != ":" {
		t.Errorf("of a clone it is %q", got)
	}
	os.RemoveAll(filepath.Join(dir, "drv"))
	run(t, dir, "submodule", "--quiet", "add", sub, "drv")
	if got := beside(gathered(t, filepath.Join(dir, "drv")).Files); got != "drv: inc" {
		t.Errorf("of a submodule it is %q", got)
	}
}

// TestGatherDepends: a folder that the user gives with --depends may be referred to, wherever it lies.
func TestGatherDepends(t *testing.T) {
	dir := project(t, map[string]string{"one/drv/Kbuild": objects + "KBUILD_EXTRA_SYMBOLS := ../../two/base/Module.symvers", "two/base/Kbuild": "obj-m := b.o\n", "two/secret": ""})
	drv, base := filepath.Join(dir, "one/drv"), filepath.Join(dir, "two/base")
	if got := beside(gathered(t, drv).Files); got != ":" {
		t.Errorf("nobody named it, and it is %q", got)
	}
	if got := beside(gathered(t, drv, base).Files); got != "one/drv: two/base" {
		t.Errorf("it is %q", got)
	}
}

// TestGatherGit: where a source asks git, git answers in the copy as it does for its author, in submodules as well.
func TestGatherGit(t *testing.T) {
	slowtest.Skip(t)
	sub := project(t, map[string]string{"s.c": ""})
	committed(t, sub)
	run(t, sub, "tag", "s1")
	dir := project(t, map[string]string{"drv/Kbuild": objects + "V := $(shell git describe --tags --dirty)\n", "drv/a.c": "", "drv/vendor.c": "", "drv/vendor.o": "", "drv/suites/x": "", "far/b": ""})
	committed(t, dir)
	run(t, dir, "submodule", "--quiet", "add", sub, "drv/sub")
	run(t, dir, "commit", "-q", "-m", "y")
	run(t, dir, "tag", "v1")
	link := filepath.Join(t.TempDir(), "link")
	linked := filepath.Join(t.TempDir(), "linked")
	run(t, dir, "worktree", "add", "-q", linked)
	if err := os.Symlink(filepath.Join(dir, "drv"), link); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.git")
	run(t, dir, "clone", "-q", "--bare", dir, bare)
	for given, withSub := range map[string]bool{filepath.Join(dir, "drv"): true, link: true, filepath.Join(linked, "drv"): false, filepath.Join(dir, "drv") + "@v1": true, filepath.Join(dir, "drv") + "@HEAD": true, bare + "/drv@v1": false} {
		p := gathered(t, given)
		if p.Files.Folder != "drv" || !p.Files.Tracked["drv/vendor.o"] {
			t.Errorf("%s: %+v", given, p.Files)
			continue
		}
		made := copied(t, p.Files)
		if got := run(t, made+"/drv", "describe", "--tags", "--dirty"); got != "v1" {
			t.Errorf("%s is %s: %s", given, got, run(t, made, "status"))
		}
		if _, err := os.Stat(made + "/drv/vendor.o"); err != nil {
			t.Errorf("%s: %v", given, err)
		}
		if _, err := os.Stat(made + "/far/b"); err == nil {
			t.Errorf("%s: what nobody refers to was copied", given)
		}
		if withSub {
			if got := run(t, made+"/drv/sub", "describe", "--tags", "--dirty"); got != "s1" {
				t.Errorf("%s: its submodule is %s", given, got)
			}
		}
	}
	if _, err := Open(t.Context(), bare+"@v1", t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "did you mean "+bare+"/drv@v1?") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(dir+"/drv/a.c", []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := run(t, copied(t, gathered(t, link).Files), "describe", "--tags", "--dirty"); got != "v1-dirty" {
		t.Errorf("changed, it is %s", got)
	}
}

// copied is a copy of the source as a build has it.
func copied(t *testing.T, s kbuild.Source) string {
	t.Helper()
	to := t.TempDir()
	if _, err := s.Copy(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestGatherHidesGit: a dkms.conf is evaluated in place, and reads nothing of git's own folder but what may be copied.
func TestGatherHidesGit(t *testing.T) {
	dir := source(t, map[string]string{"dkms.conf": goodConf + "PACKAGE_VERSION=$(cat /usr/src/*/.git/config | grep -c secret)$(cat /usr/src/*/.git/HEAD | wc -l)\n", "Makefile": ""})
	committed(t, dir)
	run(t, dir, "config", "remote.origin.url", "https://user:secret@host.invalid")
	conf, err := gathered(t, dir).Evaluate(t.Context(), fakeTree(t))
	if err != nil || conf.Version != "01" {
		t.Errorf("%+v, %v", conf, err)
	}
	linked := filepath.Join(t.TempDir(), "linked")
	run(t, dir, "worktree", "add", "-q", linked)
	if conf, err = gathered(t, linked).Evaluate(t.Context(), fakeTree(t)); err != nil || conf.Version != "01" {
		t.Errorf("%+v, %v", conf, err)
	}
}
