package dkms

import (
	"errors"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

const status = "Package: make\nStatus: install ok installed\nVersion: 4.3-4.1\nProvides: a, b (= 1)\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 2\nProvides: c\n\n" +
	"Package: last\nDescription: x\n  Package: not this\nVersion: 1:3~rc1\nStatus: install ok installed\n"

// TestLacking: what of a package's needs a root does not meet.
func TestLacking(t *testing.T) {
	tree := &kernels.Tree{Root: kernels.Root{Dir: source(t, map[string]string{"var/lib/dpkg/status": status})}}
	for need, met := range map[string]bool{
		"make": true, "a": true, "b": true, "gone": false, "c": false, "last": true, "nowhere": false,
		"make (>= 4)": true, "make (>> 4.3-4.1)": false, "make (= 4.3-4.1)": true, "make (<< 4.3)": false, "make:any": true,
		"last (>= 1:3)": false, "last (>= 1:3~)": true, "last (>= 4)": true, // its 1: comes before
		"a (>= 1)": false, "b (>= 1)": true, "b (>= 2)": false, // what is provided in no version meets none
		"nowhere | c | make (>= 9) | a": true, "nowhere | make (>= 9)": false,
	} {
		p := Package{Needs: []string{need}}
		if got := len(p.Lacking(tree)) == 0; got != met {
			t.Errorf("%s: met is %v", need, got)
		}
	}
	if got := (&Package{Needs: []string{"make"}}).Lacking(&kernels.Tree{Root: kernels.Root{Dir: t.TempDir()}}); got != nil {
		t.Errorf("a root of no packages lacks %v", got)
	}
}

// TestBlame: whose fault it is that a package fails in a root that lacks what it depends on.
func TestBlame(t *testing.T) {
	tree := &kernels.Tree{Target: kernels.Target{Release: "6.1"}, Root: kernels.Root{Dir: source(t, map[string]string{"var/lib/dpkg/status": status})}}
	lacks, has := &Package{Needs: []string{"libx-dev | liby-dev (>= 1)", "make"}}, &Package{Needs: []string{"libx-dev | b"}}
	for _, test := range []struct {
		pack   *Package
		reason string
		theirs bool
	}{
		{lacks, "PRE_BUILD ./configure failed with exit code 1: no x", false},
		{lacks, "a.c:3: x.h: No such file or directory", false},
		{lacks, "/bin/sh: 1: pkg-config: not found", false},
		{lacks, "a.c:3: too few arguments", true},
		{has, "PRE_BUILD ./configure failed with exit code 1: no x", true},
		{&Package{}, "PRE_BUILD ./configure failed with exit code 1: no x", true},
	} {
		err := test.pack.blame(&kbuild.Error{Code: results.CodeBuildError, Reason: test.reason}, tree)
		fault := (*kbuild.Error)(nil)
		if errors.As(err, &fault) != test.theirs || !test.theirs && !strings.HasPrefix(err.Error(), "the root for 6.1 lacks libx-dev | liby-dev (>= 1), which the package depends on; without, build-error: "+test.reason) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
	if got := lacks.lackNotes(tree); len(got) != 1 || !strings.HasPrefix(got[0], "built without libx-dev | liby-dev (>= 1), which") || has.lackNotes(tree) != nil {
		t.Errorf("notes %q and %q", got, has.lackNotes(tree))
	}
	if other := errors.New("x"); lacks.blame(other, tree) != other {
		t.Error("another error was changed")
	}
}
