package source

import (
	"errors"
	"fmt"
	"github.com/modmatrix/modmatrix/results/arch"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

func TestReadVersion(t *testing.T) {
	for text, want := range map[string]string{
		"# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = Baby": "6.12.117",
		"VERSION = 7\nPATCHLEVEL = 4\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n":                  "7.4.0-rc3",
		"VERSION=6\nPATCHLEVEL=1\nSUBLEVEL=0\nEXTRAVERSION=$(evil)\n":                       "6.1.0",
		"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\nVERSION = 9\n":                          "6.1.2",
	} {
		v, err := readVersion([]byte(text))
		if err != nil || v.String()+v.extra != want {
			t.Errorf("%q: %v %v, want %s", text, v, err, want)
		}
	}
	for _, text := range []string{"", "all:\n\tcc x.c\n", "VERSION = 6\nPATCHLEVEL = x\nSUBLEVEL = 1\n", "VERSION = 6\nPATCHLEVEL = 12345\nSUBLEVEL = 0\n"} {
		if v, err := readVersion([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
}

func TestTargetsCarryTheirOrigin(t *testing.T) {
	commit := strings.Repeat("ab12", 10)
	for _, tt := range []struct {
		o                               origin
		profiles, release, suite, first string
	}{
		{origin{kind: "git", path: "/x@y/linux", name: "v6.18", commit: commit, version: version{6, 18, 0, ""}, exact: true}, "", "6.18.0", "trixie", "gcc-14"},
		{origin{kind: "git", path: "/linux", name: "main", commit: commit, version: version{7, 4, 0, "-rc3"}}, "kasan+lockdep", "7.4.0-rc3-gab12ab12ab12", "trixie", "gcc-14"},
		{origin{kind: "tar", path: "/l@6/linux-6.1.tar.xz", sha256: commit, version: version{6, 1, 176, ""}}, "debug", "6.1.176", "bookworm", "gcc-12"},
		{origin{kind: "tar", path: "/l", sha256: commit, version: version{5, 10, 1, ""}}, "", "5.10.1", "bullseye", "gcc-10"},
		{origin{kind: "tar", path: "/l", sha256: commit, version: version{6, 7, 9, ""}}, "", "6.7.9", "bookworm", "gcc-12"},
		{origin{kind: "tar", path: "/l", sha256: commit, version: version{6, 8, 0, ""}}, "", "6.8.0", "trixie", "gcc-14"},
		{origin{kind: "tar", path: "/l", sha256: commit, version: version{6, 8, 0, ""}}, "clang", "6.8.0", "trixie", "clang-19"},
		{origin{kind: "tar", path: "/l", sha256: commit, version: version{6, 1, 0, ""}}, "clang+kasan", "6.1.0", "bookworm", "clang-14"},
	} {
		var profiles []string
		if tt.profiles != "" {
			profiles = strings.Split(tt.profiles, "+")
		}
		req, err := New(nil, nil).fragments(profiles, arch.Host())
		if err != nil {
			t.Fatal(err)
		}
		target, err := tt.o.target(profiles, req, arch.Host())
		if err != nil {
			t.Fatal(err)
		}
		if target.Release != tt.release || target.Suite != tt.suite || target.RootPkgs[0] != tt.first || target.Profile != tt.profiles {
			t.Errorf("%+v gives %+v", tt.o, target)
		}
		back, err := originOf(target)
		if err != nil || back.id() != tt.o.id() || back.path != tt.o.path || back.kind != tt.o.kind {
			t.Errorf("%+v came back as %+v, %v", tt.o, back, err)
		}
		if target.Profile != tt.profiles {
			t.Error(target.Profile)
		}
	}
}

// TestLLVM: the kernel and its modules are made by the tools of the root, all of one version.
func TestLLVM(t *testing.T) {
	req, err := New(nil, nil).fragments([]string{"clang"}, arch.Host())
	if err != nil {
		t.Fatal(err)
	}
	target, err := origin{kind: "tar", path: "/l", version: version{6, 12, 3, ""}}.target([]string{"clang"}, req, arch.Host())
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(toolsOf(target), " ")
	if !strings.HasPrefix(got, "LLVM=1 CC=clang-19 LD=ld.lld-19 ") || !strings.HasSuffix(got, " LLVM_IAS=1") {
		t.Error(got)
	}
	if env := fmt.Sprint(box{make: toolsOf(target)}.sandbox(nil).Env); !strings.Contains(env, "[MAKEFLAGS  -- "+got+"]") {
		t.Error(env)
	}
	if env := fmt.Sprint(box{}.sandbox(nil).Env); strings.Contains(env, "MAKEFLAGS") || toolsOf(kernels.Target{RootPkgs: []string{"gcc-14"}}) != nil {
		t.Error("gcc's build gets LLVM:", env)
	}
	_, err = origin{kind: "tar", path: "/l", version: version{5, 10, 3, ""}}.target([]string{"clang"}, req, arch.Host())
	if !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), "5.10.3 is too old to be compiled with LLVM here") {
		t.Error(err)
	}
}

func FuzzReadVersion(f *testing.F) {
	f.Add("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION = -rc1")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := readVersion([]byte(text))
		if release := v.String() + v.extra; err == nil && (strings.ContainsAny(release, "/ \n\t$") || len(release) > 64) {
			t.Errorf("%q gives the release %q", text, release)
		}
	})
}
