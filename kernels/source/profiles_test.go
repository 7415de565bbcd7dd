package source

import (
	"errors"
	"github.com/modmatrix/modmatrix/results/arch"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// TestEveryLineHasItsReason: each setting stands in a paragraph that a comment opens, and none is there twice.
func TestEveryLineHasItsReason(t *testing.T) {
	files, err := fs.Glob(builtin, "profiles/*.config")
	if err != nil || len(files) < 12 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := builtin.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parseFragment(file, string(text), arch.Host())
		if err != nil || len(f.lines) == 0 {
			t.Errorf("%s: %d lines, %v", file, len(f.lines), err)
		}
		reason, seen := false, map[string]bool{}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			setting := strings.HasPrefix(line, "CONFIG_") || unsetLine.MatchString(line)
			switch {
			case setting && !reason:
				t.Errorf("%s: %s has no reason above it", file, line)
			case setting && seen[line]:
				t.Errorf("%s: %s is there twice", file, line)
			case setting:
				seen[line] = true
			default:
				reason = strings.HasPrefix(line, "# ")
			}
		}
	}
}

// having gives s further profiles.
func having(s *Source, own fstest.MapFS) *Source {
	all := fstest.MapFS{}
	for name, file := range own {
		all["profiles/"+name] = file
	}
	files, _ := fs.Glob(builtin, "profiles/*.config")
	for _, file := range files {
		text, _ := builtin.ReadFile(file)
		all[file] = &fstest.MapFile{Data: text}
	}
	s.profiles = all
	return s
}

func TestFragments(t *testing.T) {
	own := fstest.MapFS{
		"mine.config":   {Data: []byte("# why\nCONFIG_NET=m\nCONFIG_NAME=\"a b\"\n# optional: since 9.9\nCONFIG_NEW=y\n")},
		"bad.config":    {Data: []byte("CONFIG_NET y\n")},
		"greedy.config": {Data: []byte("CONFIG_A=y\n# guest: much\n")},
		"rustc.config":  {Data: []byte("# compiler: rustc\n")},
	}
	for _, tt := range []struct{ profiles, want string }{
		{"", ""},
		{"kasan lockdep kmemleak ubsan net usb", ""},
		{"debug lockdep kasan preempt failures gcov", ""},
		{"defconfig debug", ""},
		{"mine", ""},
		{"kasan kcsan", "profiles kasan and kcsan exclude each other: both instrument every access"},
		{"kcsan nosmp", "profiles kcsan and nosmp exclude each other"},
		{"debug rt", "debug asks for PREEMPT, which PREEMPT_RT replaces"},
		{"mine net", "profiles mine and net exclude each other: CONFIG_NET is m in one and y in the other"},
		{"bad", `profile bad, line 1: "CONFIG_NET y" is neither`},
		{"clang kasan lockdep", ""},
		{"greedy", `profile greedy, line 2: "# guest: much": write it like "# guest: 256 MiB more, 3 times slower"`},
		{"rustc", `profile rustc, line 1: "# compiler: rustc": a compiler is clang or gcc`},
		{"kasn", "no profile kasn; there are bad clang debug defconfig failures gcov greedy kasan"},
	} {
		r, err := having(New(nil, nil), own).fragments(strings.Fields(tt.profiles), arch.Host())
		if tt.want == "" && err == nil {
			continue
		}
		if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, kernels.ErrNoMatch) {
			t.Errorf("%s: %v, want %s (%d settings)", tt.profiles, err, tt.want, len(r.wanted))
		}
	}
	r, err := having(New(nil, nil), own).fragments([]string{"kasan", "mine"}, arch.Host())
	if err != nil {
		t.Fatal(err)
	}
	c := kconfig.Parse(r.String())
	if c.Value("NAME") != "a b" || c.Value("KASAN") != "y" || len(r.missed(c)) > 0 {
		t.Errorf("its own text does not fulfil it: %v", r.missed(c))
	}
	c = kconfig.Parse("CONFIG_NET=y\nCONFIG_SMP=y")
	missed := r.missed(c)
	if !slices.ContainsFunc(missed, func(l setting) bool { return l.symbol == "NET" && l.value == "m" }) ||
		slices.ContainsFunc(missed, func(l setting) bool { return l.symbol == "NEW" || l.symbol == "SMP" }) {
		t.Errorf("missed %v", missed)
	}
	if r.origin("NET") != "mine" || r.origin("SMP") != base {
		t.Error("who asked?", r.origin("NET"), r.origin("SMP"))
	}
}

// TestWhatProfilesNeedAddsUp: memory by sum, time by product, up to a bound.
func TestWhatProfilesNeedAddsUp(t *testing.T) {
	own := fstest.MapFS{
		"a.config": {Data: []byte("# guest: 100 MiB more, 3 times slower\nCONFIG_A=y\n")},
		"b.config": {Data: []byte("# guest: 20 MiB more\nCONFIG_B=y\n")},
		"c.config": {Data: []byte("# compiler: clang\n# guest: 0 MiB more, 9 times slower\nCONFIG_C=y\n")},
	}
	for profiles, want := range map[string]struct {
		mib, slower int
		clang       bool
	}{"": {}, "b": {20, 0, false}, "a b": {120, 3, false}, "a b c": {120, maxSlower, true}} {
		r, err := having(New(nil, nil), own).fragments(strings.Fields(profiles), arch.Host())
		if err != nil || r.moreMiB != want.mib || r.slower != want.slower || r.clang != want.clang {
			t.Errorf("%s: %d MiB, %d times, clang %v: %v", profiles, r.moreMiB, r.slower, r.clang, err)
		}
	}
}

// TestBaseGivesWay: nosmp takes back what the base says.
func TestBaseGivesWay(t *testing.T) {
	r, err := New(nil, nil).fragments([]string{"nosmp"}, arch.Host())
	if err != nil {
		t.Fatal(err)
	}
	if text := r.String(); strings.Contains(text, "CONFIG_SMP=y") || !strings.Contains(text, "# CONFIG_SMP is not set\n") {
		t.Error(text)
	}
}

func FuzzParseFragment(f *testing.F) {
	f.Add("# why\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\nCONFIG_D=0x10")
	f.Add("CONFIG_A=$(rm -rf /)")
	f.Add("# compiler: clang\n# guest: 256 MiB more, 3 times slower\n")
	f.Fuzz(func(t *testing.T, text string) {
		fr, err := parseFragment("x", text, arch.Host())
		if err != nil {
			return
		}
		var r request
		_ = r.add(fr)
		again, err := parseFragment("x", r.String(), arch.Host())
		if err != nil || len(again.lines) > len(fr.lines) {
			t.Errorf("%q reads as %v, and written again as %v, %v", text, fr, again, err)
		}
	})
}

// TestSanitizersGetWhatTheyNeed: what the shadow of KASAN leaves of 256 MiB is too little for a suite.
func TestSanitizersGetWhatTheyNeed(t *testing.T) {
	r, err := New(nil, nil).fragments([]string{"kasan", "kmemleak", "lockdep"}, arch.Host())
	if err != nil || r.moreMiB != 384 || r.slower != 8 {
		t.Errorf("%d MiB more, %d times slower, %v", r.moreMiB, r.slower, err)
	}
	if r, err = New(nil, nil).fragments(nil, arch.Host()); err != nil || r.moreMiB != 0 || r.slower != 0 {
		t.Errorf("the plain kernel: %+v, %v", r, err)
	}
}
