package dkms

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

const status = "Package: make\nStatus: install ok installed\nProvides: a, b (= 1)\n\nPackage: gone\nStatus: deinstall ok config-files\nProvides: c\n\n" +
	"Package: last\nDescription: x\n  Package: not this\nStatus: install ok installed\n"

func TestReadStatus(t *testing.T) {
	installed := readStatus(bufio.NewScanner(strings.NewReader(status)))
	for name, want := range map[string]bool{"make": true, "a": true, "b": true, "gone": false, "c": false, "last": true, "not this": false} {
		if installed[name] != want {
			t.Errorf("%s: %v", name, installed[name])
		}
	}
}

// TestBlame: whose fault it is that a package fails in a root that lacks what it depends on.
func TestBlame(t *testing.T) {
	tree := &kernels.Tree{Target: kernels.Target{Release: "6.1"}, Root: kernels.Root{Dir: source(t, map[string]string{"var/lib/dpkg/status": status})}}
	lacks, has := &Package{Needs: [][]string{{"libx-dev", "liby-dev"}, {"make"}}}, &Package{Needs: [][]string{{"libx-dev", "b"}}}
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
		if errors.As(err, &fault) != test.theirs || !test.theirs && !strings.HasPrefix(err.Error(), "the root for 6.1 lacks libx-dev, which the package depends on; without, build-error: "+test.reason) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
	if other := errors.New("x"); lacks.blame(other, tree) != other {
		t.Error("another error was changed")
	}
}
