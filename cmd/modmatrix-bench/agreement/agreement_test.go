package agreement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

func TestParseNames(t *testing.T) {
	for _, c := range []struct {
		words string
		want  string // empty: refused
	}{
		{"acpi-call-dkms", "[{acpi-call-dkms trixie}]"},
		{"v4l2loopback-dkms/bookworm dkms-test-dkms", "[{v4l2loopback-dkms bookworm} {dkms-test-dkms trixie}]"},
		{"../x", ""}, {"x/", ""}, {"--oops", ""}, {"a b/c/d", ""}, {"A-dkms", ""},
	} {
		got, err := parseNames(strings.Fields(c.words), "trixie")
		if (err != nil) != (c.want == "") || err == nil && fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, %v; want %s", c.words, got, err, c.want)
		}
	}
	if all, err := parseNames(defaultPackages, "trixie"); err != nil || len(all) < 20 {
		t.Errorf("the default list: %d, %v", len(all), err)
	}
}

func TestVerdicts(t *testing.T) {
	for exit, want := range map[int]Verdict{0: ok, 77: skip, 10: fail, 7: fail, 6: fail, 5: fail, 8: fail, 1: fail, 13: broken, 21: broken, 3: broken, 137: broken, 127: broken} {
		if got := dkmsVerdict(exit); got != want {
			t.Errorf("exit code %d is %s; want %s", exit, got, want)
		}
	}
	for _, c := range []struct {
		err  error
		want Verdict
	}{
		{nil, ok},
		{&dkms.SkipError{Condition: "BUILD_EXCLUSIVE_KERNEL"}, skip},
		{fmt.Errorf("x: %w", &kbuild.Error{Code: results.CodeBuildError, Reason: "a.c:1: no"}), fail},
		{errors.New("the root has no make"), broken},
		{fmt.Errorf("x: %w", kernels.ErrUnavailable), broken},
	} {
		if got := modmatrixSide(c.err).Verdict; got != c.want {
			t.Errorf("%v is %s; want %s", c.err, got, c.want)
		}
	}
}

func TestFirstError(t *testing.T) {
	log := "# command: make error: no\nwarning: error: decides nothing\n" +
		"/var/lib/dkms/foo/1/build/foo.c:3:5: error: too few arguments to 'bar'\nmake: *** [all] Error 2\n"
	for _, c := range []struct {
		log, said, want string
	}{
		{log, "Error! Bad return status", "foo.c:3:5: error: too few arguments to 'bar'"},
		{"ERROR: modpost: \"x\" [/var/lib/dkms/foo/1/build/foo.ko] undefined!\n", "", `ERROR: modpost: "x" [foo.ko] undefined!`},
		{"", "Warning: The dkms.conf\nincludes a BUILD_EXCLUSIVE directive\n", "includes a BUILD_EXCLUSIVE directive"},
		{"", "Error! Patch x cannot be found\nat all", "Error! Patch x cannot be found"},
		{"", "", ""},
		{"", "error: " + strings.Repeat("ä", 300) + "\xff", "error: " + strings.Repeat("ä", 192) + "…"},
	} {
		if got := firstError([]byte(c.log), c.said); got != c.want {
			t.Errorf("%q, %q: %q; want %q", c.log, c.said, got, c.want)
		}
	}
}

// sample is a report with a cell of every kind.
func sample() Report {
	s := func(v Verdict, seconds float64, reason string, modules ...string) Side {
		return Side{Verdict: v, Seconds: seconds, Reason: reason, Modules: modules}
	}
	return Report{Schema: schema, DKMS: "3.2.2", Kernels: []string{"6.1.0-56-amd64", "7.3.4-amd64"}, Cells: []Cell{
		{Package: "a 1", Kernel: "6.1.0-56-amd64", DKMS: s(ok, 2, "", "a"), Modmatrix: s(ok, 1, "", "a")},
		{Package: "a 1", Kernel: "7.3.4-amd64", DKMS: s(fail, 1, "exit code 10"), Modmatrix: s(broken, 1, "lacks libfoo"), Known: "the root"},
		{Package: "b 2", Kernel: "6.1.0-56-amd64", DKMS: s(ok, 2, "", "b"), Modmatrix: s(fail, 3, "build-error: b.c:1: no")},
		{Package: "b 2", Kernel: "7.3.4-amd64", Left: "not begun within 1s"},
		{Package: "c 3", Kernel: "6.1.0-56-amd64", DKMS: s(ok, 4, "", "c", "d"), Modmatrix: s(ok, 1, "", "c")},
		{Package: "c 3", Kernel: "7.3.4-amd64", DKMS: s(ok, 2, "", "c"), Modmatrix: s(ok, 4, "", "c")},
	}}
}

func TestTable(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a 1      ok              fail/broken*\n", "b 2      ok/fail!        -\n", "c 3      ok/ok!          ok\n",
		"b 2 · 6.1.0-56-amd64: UNKNOWN\n  dkms       ok: b\n  modmatrix  fail: build-error: b.c:1: no\n",
		"known: the root", "\nnot compared: not begun within 1s: b 2\n",
		"5 cells compared: 2 the same (2 ok, 0 fail, 0 skip, 0 broken), 1 differ as is known (*), 2 differ otherwise (!); 1 not compared (-)",
		"2 builds side by side", "modmatrix by dkms, median 1.25",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing from\n%s", want, &b)
		}
	}
	if err := r.verdict(); !errors.As(err, new(Difference)) || !strings.Contains(err.Error(), "2 cells") {
		t.Errorf("the report ends in %v", err)
	}
	file := filepath.Join(t.TempDir(), "a.json")
	if err := measure.Save(file, r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	var again Report
	if err = errors.Join(err, json.Unmarshal(text, &again)); err != nil || len(again.Cells) != 6 || again.Ratio != r.Ratio {
		t.Errorf("%v, %v", again, err)
	}
}

// TestTook: which times are compared.
func TestTook(t *testing.T) {
	good, cached := Side{Verdict: ok, Seconds: 4}, Side{Verdict: ok, Seconds: 1, Cached: true}
	pairs := []Pair{{2, 9}, {8, 1}, {5, 3}}
	for _, c := range []struct {
		cell            Cell
		dkms, modmatrix float64
		fair            bool
	}{
		{Cell{DKMS: good, Modmatrix: good}, 4, 4, true},
		{Cell{DKMS: cached, Modmatrix: good}, 1, 4, false},
		{Cell{DKMS: good, Modmatrix: cached}, 4, 1, false},
		{Cell{DKMS: cached, Modmatrix: cached, Pairs: pairs}, 5, 3, true},
		{Cell{DKMS: good, Modmatrix: good, Left: "interrupted"}, 0, 0, false},
		{Cell{DKMS: Side{Verdict: fail}, Modmatrix: Side{Verdict: fail}}, 0, 0, false},
	} {
		if dkms, modmatrix, fair := c.cell.took(); dkms != c.dkms || modmatrix != c.modmatrix || fair != c.fair {
			t.Errorf("%+v: %v, %v, %v", c.cell, dkms, modmatrix, fair)
		}
	}
}

func TestKnownIsOnlyWhatIsAllowed(t *testing.T) {
	const lacks = "the root for 6.1 lacks libfoo, which the package depends on; without, no"
	for _, c := range []struct {
		dkms, modmatrix Verdict
		reason          string
		known           bool
	}{
		{fail, broken, lacks, true}, {fail, broken, "build for 6.1: the root lacks a program that the build runs: python3", true},
		{fail, broken, "the disk is full", false}, {ok, broken, lacks, false}, {ok, fail, "", false}, {fail, ok, "", false},
		{ok, skip, "", false}, {skip, ok, "", false},
	} {
		got := why(Cell{DKMS: Side{Verdict: c.dkms}, Modmatrix: Side{Verdict: c.modmatrix, Reason: c.reason}})
		if (got != "") != c.known {
			t.Errorf("dkms %s and modmatrix %s, %s: %q", c.dkms, c.modmatrix, c.reason, got)
		}
	}
}

// fakeDKMS stands for the real one: it builds nothing and ends as the source says.
const fakeDKMS = `#!/bin/bash
[ "$1 $2 $4 $6" = "build -m -v -k" ] || exit 99
build=/var/lib/dkms/$3/$5/build
mkdir -p "$build" "/var/lib/dkms/$3/$5/$7/x86_64/module" || exit 98
. /etc/dkms/framework.conf || exit 97
echo "foo.c:1: error: $answer" >"$build/make.log"
touch "/var/lib/dkms/$3/$5/$7/x86_64/module/foo.ko.xz"
touch "/usr/src/$3-$5/written" || exit 3
exit "$(cat "/usr/src/$3-$5/exit")"
`

// TestTheirsIsAskedOnce runs the fake in the host's own root, twice.
func TestTheirsIsAskedOnce(t *testing.T) {
	if _, err := exec.LookPath("bwrap"); err != nil {
		t.Skipf("a sandbox needs bwrap: %v", err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("tool/usr/sbin/dkms", fakeDKMS)
	write("tool/etc/dkms/framework.conf", "answer=no\n")
	write("package/usr/src/foo-1/dkms.conf", "PACKAGE_NAME=foo\nPACKAGE_VERSION=1\n")
	write("package/usr/src/foo-1/exit", "10")
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	c := comparison{Options: Options{Jobs: 1, Timeout: time.Minute}, store: st, tool: &debian.Deb{Package: kernels.Package{SHA256: "t"}, Dir: filepath.Join(dir, "tool")}}
	deb := &debian.Deb{Package: kernels.Package{Name: "foo-dkms", SHA256: "p"}, Dir: filepath.Join(dir, "package")}
	tree := &kernels.Tree{Target: kernels.Target{Release: "6.1-x", Arch: "x86_64"}, Digest: "d"}
	what := subject{deb, &dkms.Package{Name: "foo", Version: "1"}}
	for i := range 2 {
		began := time.Now()
		s, err := c.askDKMS(t.Context(), what, tree)
		if err != nil {
			t.Fatal(err)
		}
		if s.Verdict != fail || s.Reason != "exit code 10 (make failed): foo.c:1: error: no" || len(s.Modules) != 0 {
			t.Errorf("%+v", s)
		}
		if s.Cached != (i == 1) || s.Seconds <= 0 || s.Seconds > time.Since(began).Seconds() && i == 0 {
			t.Errorf("time %d: %+v", i, s)
		}
	}
	write("package/usr/src/foo-1/exit", "0")
	deb.SHA256 = "another"
	if s, err := c.askDKMS(t.Context(), what, tree); err != nil || s.Verdict != ok || s.Cached || len(s.Modules) != 1 || s.Modules[0] != "foo" {
		t.Errorf("%+v, %v", s, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "store/agreement/*/dkms")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
