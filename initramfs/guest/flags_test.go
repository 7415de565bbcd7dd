package guest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/modmatrix/modmatrix/results/wire"
)

func flag(t *testing.T, flags []string, name string) string {
	t.Helper()
	for _, f := range flags {
		if value, ok := strings.CutPrefix(f, "--ginkgo."+name+"="); ok {
			return value
		}
	}
	t.Fatalf("no %s in %q", name, flags)
	return ""
}

func TestLabelFilterChoosesTheTarget(t *testing.T) {
	target := wire.Target{Version: "6.1.176", Arch: "x86_64", Flavour: "cloud-amd64"}
	for _, c := range []struct {
		labels []string
		runs   bool
	}{
		{nil, true},
		{[]string{"slow"}, true},
		{[]string{"arch:x86_64"}, true},
		{[]string{"arch: X86_64"}, true},
		{[]string{"arch:aarch64"}, false},
		{[]string{"arch:aarch64", "arch:x86_64"}, true},
		{[]string{"flavour:cloud-amd64", "arch:x86_64"}, true},
		{[]string{"flavour:rt-amd64", "arch:x86_64"}, false},
	} {
		filter, err := types.ParseLabelFilter(flag(t, suiteFlags(target, wire.Suite{}, "r"), "label-filter"))
		if err != nil {
			t.Fatal(err)
		}
		if filter(c.labels) != c.runs {
			t.Errorf("labels %q: runs is %v", c.labels, !c.runs)
		}
	}
}

func TestVersionFilter(t *testing.T) {
	for version, want := range map[string]string{
		"6.1.176": "6.1.176", "6.12": "6.12", "6.12.0-rc3": "6.12.0", "6.1.0-56-amd64": "6.1.0", "": "", "next": "",
	} {
		got := versionFilter(version)
		if want == "" {
			if got != "" {
				t.Errorf("%q: %q", version, got)
			}
			continue
		}
		if got != want+", kernel="+want {
			t.Errorf("%q: %q", version, got)
		}
		if _, err := types.ParseSemVerFilter(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
	filter := types.MustParseSemVerFilter(versionFilter("6.1.176-rc1"))
	for component, constraint := range map[string]string{"": ">= 5.10.0, < 6.6.0", "kernel": "~6.1"} {
		if !filter(component, []string{constraint}) {
			t.Errorf("%s %s leaves 6.1.176 out", component, constraint)
		}
	}
	if filter("kernel", []string{">= 6.2"}) || filter("", []string{"< 6"}) {
		t.Error("a constraint does not hold 6.1.176 back")
	}
}

func TestSuiteFlags(t *testing.T) {
	flags := suiteFlags(wire.Target{Arch: "x&y", Version: "?"}, wire.Suite{Args: []string{"--ginkgo.seed=7", "-x"}}, "/run/r")
	if got := flag(t, flags, "timeout"); got != "1m0s" {
		t.Errorf("timeout %s without one in the plan", got)
	}
	if !slices.Contains(flags, "-x") || slices.Index(flags, "--ginkgo.seed=7") < slices.Index(flags, "--ginkgo.seed=1") {
		t.Errorf("the plan's arguments do not win: %q", flags)
	}
	for _, f := range flags {
		if strings.Contains(f, "filter") {
			t.Errorf("%s for a target that no filter can name", f)
		}
	}
}

// TestFocusIsExact puts the flag to what Ginkgo makes of it: a match of the title, a space and the full text.
func TestFocusIsExact(t *testing.T) {
	long := strings.Repeat("long ", 300)
	sent := wire.Spec{Name: long}.Cleaned().Name
	for _, c := range []struct {
		title string
		only  []string
		text  string // of a spec, as Ginkgo has it
		runs  bool
	}{
		{"fifo", []string{"a b"}, "a b", true},
		{"fifo", []string{"a b"}, "a b c", false},
		{"fifo", []string{"a b"}, "x a b", false},
		{"fifo", []string{"b"}, "a b", false},
		{"the fifo", []string{"b"}, "b", true},
		{"", []string{"b"}, "b", true},
		{"fifo", []string{"b"}, "fifo b", false},
		{"fifo", []string{"one", "two"}, "two", true},
		{"fifo", []string{"one", "two"}, "one two", false},
		{"f.fo (x|y)", []string{"costs $5.00 [net]"}, "costs $5.00 [net]", true},
		{"fifo", []string{"costs 5.00"}, "costs 5x00", false},
		{"fifo", []string{"on two lines"}, "on\n\ttwo lines", true},
		{"fifo", []string{"größer, und mehr"}, "größer, und mehr", true},
		{"fifo", []string{sent}, long, true},
	} {
		re, err := regexp.Compile(flag(t, focus(wire.Suite{Title: c.title, Only: c.only}), "focus"))
		if err != nil {
			t.Fatal(err)
		}
		if runs := re.MatchString(c.title + " " + c.text); runs != c.runs {
			t.Errorf("only %q of %q: runs %q is %v", c.only, c.title, c.text, runs)
		}
	}
	if got := focus(wire.Suite{Title: "x"}); got != nil {
		t.Errorf("without names: %q", got)
	}
}
