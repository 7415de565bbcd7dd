package harness

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// A module without its hardware is skipped; what shows that this is wrong may come in a later run that continues the first.
func TestNoHardwareAnywhere(t *testing.T) {
	refuses := "call send boot begin:load\ncall send loaded:19 done:load taint:load=0 end\npoweroff\n"
	f := newFixture(t, refuses)
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "old-amd64 lifecycle SKIP@load no-hardware\nyoung-amd64 lifecycle SKIP@load no-hardware"
	if got := summary(res); got != want || res.ExitCode() != results.ExitTrouble {
		t.Errorf("%s, exit code %d", got, res.ExitCode())
	}
	if !strings.Contains(res.Untested, "its hardware is not in the guest") {
		t.Errorf("said: %q", res.Untested)
	}

	f.spec.Resume, f.spec.Kernels = true, Selectors("debian:old", "debian:young", "debian:third")
	vmtest.Install(t, "call pass\npoweroff\n")
	f.events = nil
	if res, err = f.run(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	want = "old-amd64 lifecycle FAIL@load load-refused\nyoung-amd64 lifecycle FAIL@load load-refused\nthird-amd64 lifecycle PASS@"
	if got := summary(res); got != want {
		t.Errorf("continued: %s, want %s", got, want)
	}
	if reason := res.Records[0].Reason; !strings.HasSuffix(reason, "; but it loads on third-amd64") {
		t.Errorf("%q", reason)
	}
	last := map[string]results.Status{}
	for _, e := range f.events {
		if e.Kind == results.EventRecord {
			last[e.Target] = e.Record.Status
		}
	}
	if last["old-amd64"] != results.Fail || last["third-amd64"] != results.Pass {
		t.Errorf("reported last: %v", last)
	}
}
