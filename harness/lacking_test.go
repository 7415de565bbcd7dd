package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

func TestCure(t *testing.T) {
	lack := func(kind kbuild.LackKind, name string) kbuild.Lack { return kbuild.Lack{Kind: kind, Name: name} }
	for want, lacks := range map[string][]kbuild.Lack{
		`give it --build-package xxd, or packages = ["xxd"] in [build] of modmatrix.toml`:                                                    {lack(kbuild.LackProgram, "xxd")},
		`give it --build-package python3 --build-package lsb-release, or packages = ["python3", "lsb-release"] in [build] of modmatrix.toml`: {lack(kbuild.LackProgram, "python3"), lack(kbuild.LackProgram, "lsb_release")},
		`give it --build-package mygen, if the package is called so`:                                                                         {lack(kbuild.LackProgram, "mygen")},
		`give it --build-package libelf-dev, if the package is called so`:                                                                    {lack(kbuild.LackLibrary, "-lelf")},
		`put what it fetches into the source`:                                                                                                {lack(kbuild.LackProgram, "wget"), lack(kbuild.LackNetwork, "")},
		`give that package with --depends PATH`:                                                                                              {lack(kbuild.LackPackage, "../x/Module.symvers")},
		`git submodule update --init --recursive`:                                                                                            {lack(kbuild.LackSubmodule, "lua")},
	} {
		if got := cure(lacks, kernels.Target{Suite: "trixie"}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := cure([]kbuild.Lack{lack(kbuild.LackProgram, "xxd")}, kernels.Target{}); got != "install it where that kernel's modules are built" {
		t.Error(got)
	}
}

// TestLackingIsNobodysFault: a build that lacked a program is an ERROR that says how to give it; what cannot be had at all is a MISS.
func TestLackingIsNobodysFault(t *testing.T) {
	for _, c := range []struct {
		err            error
		summary, words string
	}{
		{&kbuild.LackError{Lacks: []kbuild.Lack{{Kind: kbuild.LackProgram, Name: "xxd"}}}, "ERROR@build infra", "the root lacks xxd, which the build runs; "},
		{fmt.Errorf("%w: no metadata of Rust", kernels.ErrUnavailable), "MISS@fetch infra", "no metadata of Rust"},
	} {
		f := newFixture(t, "call pass\npoweroff\n")
		f.spec.BuildOnly = true
		f.make = func(context.Context, kbuild.Request) (*kbuild.Artifact, error) { return nil, c.err }
		res, err := f.run(t, t.Context())
		if err != nil || !strings.Contains(summary(res), "old-amd64 lifecycle "+c.summary) || !strings.Contains(res.Records[0].Reason, c.words) {
			t.Errorf("%v\n%s: %s", err, summary(res), res.Records[0].Reason)
		}
	}
}

// TestBuiltWithout: what a build asked for and did without is a note of the record.
func TestBuiltWithout(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.BuildOnly = true
	build := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		art, err := build(ctx, r)
		art.Lacks = []kbuild.Lack{{Kind: kbuild.LackProgram, Name: "git"}}
		return art, err
	}
	res, err := f.run(t, t.Context())
	if err != nil || res.Records[0].Status != results.Pass || !strings.Contains(strings.Join(res.Records[0].Notes, "\n"), "built without git, ") {
		t.Errorf("%v, %+v", err, res.Records[0])
	}
}

// TestBuildPackages: what --build-package names is there when the module is built, and one that the suite does not have is said.
func TestBuildPackages(t *testing.T) {
	for _, c := range []struct{ name, asked, summary string }{
		{"xxd", "[old-amd64: xxd young-amd64: xxd]", "MISS@fetch"}, // the fake root never has it
		{"make", "[]", "PASS@"},
	} {
		f := newFixture(t, "call pass\npoweroff\n")
		src := &addingPackages{fakeSource: f.source, root: t.TempDir(), suite: "bookworm"}
		write(t, filepath.Join(src.root, "var/lib/dpkg/status"), "Package: make\nStatus: install ok installed\nVersion: 4.3\n")
		f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": src} }
		f.spec.BuildOnly, f.spec.Jobs, f.spec.Packages = true, 1, []string{c.name}
		res, err := f.run(t, t.Context())
		slices.Sort(src.asked)
		if err != nil || fmt.Sprint(src.asked) != c.asked || !strings.Contains(summary(res), "old-amd64 lifecycle "+c.summary) {
			t.Errorf("%s: %v, asked for %v\n%s", c.name, errors.Join(err), src.asked, summary(res))
		}
		if c.name == "xxd" && !strings.Contains(res.Records[0].Reason, "bookworm has no package xxd") {
			t.Error(res.Records[0].Reason)
		}
	}
}
