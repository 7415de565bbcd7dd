package report

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// A matrix in which everything was skipped keeps its exit code and must not look like a success anywhere.
func TestNothingTestedIsSaidAloud(t *testing.T) {
	skip := func(release string, stage results.Stage, code results.Code, reason string) results.Record {
		return decided(results.Record{Target: target(release), Suite: "lifecycle"}, results.Skip, stage, code, reason)
	}
	excluded := skip("6.1.0-amd64", results.StageBuild, results.CodeExcluded, "dkms.conf: BUILD_EXCLUSIVE_KERNEL=^5")
	for name, c := range map[string]struct {
		records []results.Record
		want    string
	}{
		"one": {[]results.Record{excluded}, "the only cell was skipped: dkms.conf: BUILD_EXCLUSIVE_KERNEL=^5; choose kernels that the module is for with -k"},
		"two for one reason": {[]results.Record{excluded, skip("6.12.1-amd64", results.StageBuild, results.CodeExcluded, excluded.Reason)},
			"all 2 cells were skipped: dkms.conf: BUILD_EXCLUSIVE_KERNEL=^5; choose"},
		"two by name": {[]results.Record{skip("6.1.0-amd64", results.StageBuild, results.CodeExcluded, "it is ^5, which 6.1.0-amd64 is not"), skip("6.12.1-amd64", results.StageBuild, results.CodeExcluded, "it is ^5, which 6.12.1-amd64 is not")},
			"all 2 cells were skipped: it is ^5, which the kernel is not; choose"},
		"two for two":     {[]results.Record{excluded, skip("6.12.1-amd64", results.StageTest, results.CodeExcluded, "every spec was skipped")}, "=^5 (and 1 other reason); choose"},
		"no symbol":       {[]results.Record{skip("6.1.0-amd64", results.StageBuild, results.CodeConfigMissing, "CONFIG_NET=y")}, "CONFIG_NET=y; choose kernels that have it with -k"},
		"specs filtered":  {[]results.Record{skip("6.1.0-amd64", results.StageTest, results.CodeExcluded, "every spec was skipped")}, "or other specs with --focus or --suite"},
		"in the tree":     {[]results.Record{skip("6.1.0-amd64", results.StageBuild, results.CodeInTree, "the kernel brings it")}, "without --defer-in-tree"},
		"one passed":      {[]results.Record{excluded, cell("6.12.1-amd64", "lifecycle")}, ""},
		"one did not run": {[]results.Record{excluded, {Target: target("6.12.1-amd64"), Suite: "lifecycle", Status: results.Miss}}, ""},
		"no record":       {nil, ""},
	} {
		r := &results.Results{Module: results.Module{Name: "mydriver"}, Records: c.records}
		r.Finish()
		var md, doc strings.Builder
		if err := Markdown(&md, r); err != nil {
			t.Fatal(err)
		}
		if err := r.JSON(&doc); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Untested, c.want) || (c.want == "") != (r.Untested == "") {
			t.Errorf("%s: %q, want %q", name, r.Untested, c.want)
		}
		for form, got := range map[string]string{"text": text(t, r, Options{}), "markdown": md.String()} {
			if strings.Contains(got, nothingTested) != (c.want != "") {
				t.Errorf("%s: %s:\n%s", name, form, got)
			}
		}
		if strings.Contains(doc.String(), `"untested"`) != (c.want != "") {
			t.Errorf("%s: json:\n%s", name, doc.String())
		}
		if len(c.records) > 0 && c.want != "" && r.ExitCode() != results.ExitTrouble {
			t.Errorf("%s: exit code %d", name, r.ExitCode())
		}
	}
}

// What an earlier run found is marked with a word of its own, wherever a verdict stands.
func TestKeptCellsAreMarked(t *testing.T) {
	r := everything(t)
	kept := &results.Kept{Run: "r0", Started: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)}
	for i := range r.Records {
		if rec := &r.Records[i]; rec.Target.Version != "6.1.0" && rec.Target.Version != "7.3.4" {
			rec.Kept = kept
		}
	}
	golden(t, "kept.txt", []byte(text(t, r, Options{})))
	var md strings.Builder
	if err := Markdown(&md, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "kept.md", []byte(md.String()))
	if score := suiteCell(r.Records[0]).full(); score != "14/14  (kept)" {
		t.Errorf("score %q", score)
	}
}

// Of a suite in which a spec failed, those that were skipped are shown as well: with --focus they are nearly all.
func TestAFailureShowsWhatWasSkipped(t *testing.T) {
	rec := decided(cell("6.1.0-amd64", "lifecycle", append(repeat(results.Spec{Status: results.Skip}, 18), results.Spec{Status: results.Fail})...), results.Fail, results.StageTest, results.CodeSpecFailed, "x")
	if score := suiteCell(rec).full(); score != "0/19  1 failed  18 skipped" {
		t.Errorf("score %q", score)
	}
}

// However narrow a terminal is, no line is wider and no verdict is cut off.
func TestNoVerdictIsCutOff(t *testing.T) {
	r := &results.Results{Module: results.Module{Name: "mydriver"}}
	for _, s := range []string{"lifecycle", "hotplug", "suspend", "throughput", "ioctl"} {
		for _, release := range []string{"5.10.0-46-amd64", "6.12.107+deb13-amd64"} {
			rec := cell(release, s, append(specs(12), results.Spec{Status: results.Skip})...)
			rec.Cached = true
			r.Records = append(r.Records, rec)
		}
	}
	last := &r.Records[len(r.Records)-1]
	*last = decided(*last, results.Fail, results.StageTest, results.CodeWarn, "WARNING in my_flush")
	r.Finish()
	golden(t, "narrow.txt", []byte(text(t, r, Options{Width: 60})))
	for width := 32; width < 200; width += 7 {
		table, _, _ := strings.Cut(text(t, r, Options{Width: width}), "kernel passes")
		if strings.Count(table, "12/13") != 9 || strings.Count(table, "FAIL") != 1 {
			t.Errorf("%d columns: a verdict is gone:\n%s", width, table)
		}
		for line := range strings.Lines(table) {
			if ansi.StringWidth(strings.TrimRight(line, "\n")) > width {
				t.Errorf("%d columns: %q is wider", width, line)
			}
		}
	}
}

// The line that names the turning point has the command that continues from there, if there is one.
func TestTheFirstBadKernelComesWithACommand(t *testing.T) {
	passed := func(release string) results.Record { return cell(release, "lifecycle", specs(2)...) }
	failed := func(release string) results.Record {
		return decided(cell(release, "lifecycle", specs(2)...), results.Fail, results.StageTest, results.CodeWarn, "WARNING in a")
	}
	broken := func(release string) results.Record {
		return decided(cell(release, "lifecycle"), results.Fail, results.StageBuild, results.CodeBuildError, "a.c:1: b")
	}
	from := func(source string, rec results.Record) results.Record {
		rec.Target.Source = source
		return rec
	}
	const bisect = "first bad  7.2.1 (last good 6.1.0): modmatrix bisect"
	again := results.Asked{Words: []string{"run", "drv", "--param", "a=b c"}, Suites: map[string]string{"lifecycle": "my suites/lifecycle"}}
	for name, c := range map[string]struct {
		records []results.Record
		asked   results.Asked
		want    string // the line without its end; empty: there is none
	}{
		"at a test":   {[]results.Record{passed("6.1.0-amd64"), failed("7.2.1-amd64")}, results.Asked{}, bisect + " --good debian:trixie@6.1.0 --bad debian:trixie@7.2.1 --suite lifecycle"},
		"as typed":    {[]results.Record{passed("6.1.0-amd64"), failed("7.2.1-amd64")}, again, bisect + " drv --param 'a=b c' --good debian:trixie@6.1.0 --bad debian:trixie@7.2.1 --suite 'my suites/lifecycle'"},
		"at a build":  {[]results.Record{passed("6.1.0-amd64"), broken("7.2.1-amd64")}, results.Asked{Words: []string{"build"}}, bisect + " --good debian:trixie@6.1.0 --bad debian:trixie@7.2.1 --suite lifecycle"},
		"of two":      {[]results.Record{passed("6.0.0-amd64"), passed("6.1.0-amd64"), failed("7.2.1-amd64"), failed("7.3.1-amd64")}, results.Asked{}, bisect + " --good debian:trixie@6.1.0 --bad debian:trixie@7.2.1 --suite lifecycle"},
		"too old":     {[]results.Record{failed("5.10.0-amd64"), passed("6.1.0-amd64"), failed("7.2.1-amd64")}, results.Asked{}, bisect + " --good debian:trixie@6.1.0 --bad debian:trixie@7.2.1 --suite lifecycle"},
		"no archive":  {[]results.Record{passed("6.1.0-amd64"), from("dir:../linux", failed("7.2.1-amd64"))}, results.Asked{}, "first bad  7.2.1 (last good 6.1.0)"},
		"back again":  {[]results.Record{passed("6.1.0-amd64"), failed("7.2.1-amd64"), passed("7.3.1-amd64")}, results.Asked{}, ""},
		"never good":  {[]results.Record{failed("6.1.0-amd64"), failed("7.2.1-amd64")}, results.Asked{}, ""},
		"one version": {[]results.Record{passed("6.1.0-amd64"), failed("6.1.0-bpo-amd64")}, results.Asked{}, ""},
	} {
		r := &results.Results{Run: results.Run{Asked: c.asked}, Records: c.records}
		r.Finish()
		got := ""
		for line := range strings.Lines(text(t, r, Options{})) {
			if strings.HasPrefix(line, "first bad") {
				got = strings.TrimRight(line, "\n")
			}
		}
		if got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

// A command that runs a cell again names the kernel, where there is a name for it.
func TestAgainNamesNoKernelThatHasNoName(t *testing.T) {
	rec := decided(results.Record{Target: results.Target{Release: "6.1.0"}, Suite: "lifecycle"}, results.Fail, results.StageLoad, results.CodeOops, "it oopsed")
	if got, want := (finding{rec: rec}).again(results.Asked{}), "modmatrix run --suite lifecycle"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
