package debian

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
)

// TestWithPackages has the real apt find what meets needs; what was asked of mmdebstrap shows what it found.
func TestWithPackages(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	a.add("bookworm",
		deb{"liby-dev", "2", "amd64", "libz (>= 1)", nil}, deb{"libz", "1", "amd64", "", nil},
		deb{"old", "1", "all", "", nil}, deb{"broken", "1", "all", "nowhere", nil},
		deb{"left", "1", "all", "left-1", nil}, deb{"left-1", "1", "all", "", nil}, deb{"right", "1", "all", "left-1 (= 2)", nil})
	a.add("bookworm-backports", deb{"late", "1", "all", "", nil})
	a.publish()
	s := a.source()
	plain, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm-backports"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		needs []string
		more  string // packages beside those of the plain root; "" for that root itself
	}{
		{[]string{"libx-dev | liby-dev (>= 1)"}, "liby-dev libz"},
		{[]string{"old (>= 9)", "nowhere"}, "old"}, // an older one is better than none
		{[]string{"old (>= 9) | liby-dev"}, "liby-dev libz"},
		{[]string{"nowhere"}, ""},
		{[]string{"late"}, ""}, // roots are of the release
		{[]string{"broken", "right", "left"}, "left left-1"},
		{[]string{"there", "there | old"}, ""}, // in the plain root already
		{[]string{"there", "old"}, "old"},
		{nil, ""},
	} {
		tree, err := s.WithPackages(t.Context(), plain, c.needs, nil)
		if err != nil {
			t.Fatalf("%q: %v", c.needs, err)
		}
		if c.more == "" {
			if tree != plain {
				t.Errorf("%q: another root, though there is nothing to put in: %s", c.needs, tree.Root.Dir)
			}
			continue
		}
		if got := installedNow(t); got != c.more || !slices.Contains(given(t), "--setup-hook=sync-in '"+plain.Root.Dir+"' /") {
			t.Errorf("%q: mmdebstrap was given %q; want %q on top of %s", c.needs, got, c.more, plain.Root.Dir)
		}
		if tree.Root.Dir == plain.Root.Dir || tree.Digest != plain.Digest || tree.Target.Release != plain.Target.Release {
			t.Errorf("%q: %+v", c.needs, tree)
		}
		checkMounts(t, tree)
		if last := tree.Mounts[len(tree.Mounts)-1]; last != (kernels.Mount{Host: filepath.Join(tree.Root.Dir, "usr/src/bar-1"), Guest: "/usr/src/bar-1"}) {
			t.Errorf("what packages laid below /usr/src is covered: %+v", tree.Mounts)
		}
	}
	nothingLeft(t, s)
}

// installedNow is what apt was last to install in a root.
func installedNow(t *testing.T) (pkgs string) {
	t.Helper()
	for _, line := range given(t) {
		if _, after, ok := strings.Cut(line, "install -- "); ok && strings.HasPrefix(line, "--customize-hook=") {
			pkgs = after
		}
	}
	return pkgs
}

// TestWithPackagesOnce: a root is made once, for whatever order its needs come in, and needs no network then.
func TestWithPackagesOnce(t *testing.T) {
	a := twoSuites(t)
	a.add("bookworm", deb{"old", "1", "all", "", nil}, deb{"older", "1", "all", "", nil})
	a.publish()
	s := a.source()
	plain, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm"), nil)
	if err != nil {
		t.Fatal(err)
	}
	offline := New(s.store, Config{Offline: true, Keyring: a.keyring})
	if _, err := offline.WithPackages(t.Context(), plain, []string{"old"}, nil); !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "fetch old for 6.1.0-56-amd64") {
		t.Errorf("a root that is not there, without the network: %v", err)
	}
	first, err := s.WithPackages(t.Context(), plain, []string{"old", "older"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	again, err := offline.WithPackages(t.Context(), plain, []string{"older", "old"}, nil)
	if err != nil || again.Root.Dir != first.Root.Dir {
		t.Errorf("%+v, %v; want %s", again, err, first.Root.Dir)
	}
	for _, tree := range []*kernels.Tree{{Root: plain.Root}, {Target: plain.Target}} {
		if got, err := s.WithPackages(t.Context(), tree, []string{"old"}, nil); err != nil || got != tree {
			t.Errorf("a root of no suite: %+v, %v", got, err)
		}
	}
	nothingLeft(t, s)
}
