package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// forty are kernels of five series with six suites: one warns in the middle of its series, the newest three do not build.
func forty() *results.Results {
	r := &results.Results{Module: results.Module{Name: "mydriver"}}
	for s, series := range []string{"5.10", "6.1", "6.12", "7.2", "7.3"} {
		for point := range 8 {
			version := fmt.Sprintf("%s.%d", series, 100+point)
			for _, suite := range []string{"lifecycle", "fifo", "procfs", "stress", "suspend", "ioctl"} {
				rec := results.Record{Target: results.Target{Release: version + "+deb13-amd64", Version: version, Arch: "x86_64", Source: "debian:trixie"}, Suite: suite,
					Status: results.Pass, Specs: []results.Spec{{Name: "works", Status: results.Pass}}, Timings: results.Timings{Build: int64(4000 + 100*point)}}
				switch {
				case s == 4 && point > 4:
					rec.Status, rec.Stage, rec.Reason, rec.Specs = results.Fail, results.StageBuild, "too few arguments", nil
				case s == 2 && point == 3 && suite == "stress":
					rec.Status, rec.Stage, rec.Reason = results.Fail, results.StageTest, "WARNING in my_flush"
				}
				r.Records = append(r.Records, rec)
			}
		}
	}
	r.Finish()
	return r
}

func TestATableThatIsLongerThanTheScreenFoldsBySeries(t *testing.T) {
	got := text(t, forty(), Options{Width: 80, Height: 24})
	table, _, _ := strings.Cut(got, "33 kernels pass")
	for _, want := range []string{
		"5.10.100 – 5.10.107   4.7s   ok    1/1", "6.12.100 – 6.12.102   4.2s   ok    1/1", "6.12.103+deb13-amd64  4.3s   ok    1/1        1/1   1/1     FAIL",
		"6.12.104 – 6.12.107   4.7s", "7.3.105 – 7.3.107     FAIL   –     –", "    too few arguments\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(table, "\n"); n > 32 { // two tables of 14 lines; it would be 84
		t.Errorf("%d lines", n)
	}
	for line := range strings.Lines(table) {
		if ansi.StringWidth(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
	if wide := text(t, forty(), Options{Width: 160, Height: 24}); !strings.Contains(wide, "5.10.100 – 5.10.107  8 kernels  4.7s") {
		t.Error(wide)
	}
	for what, opt := range map[string]Options{"a screen with room": {Width: 80, Height: 200}, "no screen": {}} {
		if got := text(t, forty(), opt); strings.Contains(got, "5.10.100 –") {
			t.Errorf("%s: folded\n%s", what, got)
		}
	}
}
