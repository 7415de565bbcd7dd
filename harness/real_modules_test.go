package harness_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

const severalModules = "testdata/several"

// TestRealSeveralModules holds that the modules of a package find each other and their firmware, and that one without its hardware is no
// obstacle to the others.
func TestRealSeveralModules(t *testing.T) {
	needReal(t)
	t.Parallel()
	res := runReal(t, t.Context(), harness.Spec{Module: severalModules, Kernels: realKernels, Suites: []string{harness.Lifecycle},
		Firmware: severalModules + "/firmware"})
	for _, rec := range res.Records {
		if rec.Status != results.Pass {
			t.Errorf("%s: %s@%s %s: %s", rec.Target.Release, rec.Status, rec.Stage, rec.Code, rec.Reason)
		}
		if got := strings.Join(rec.Loaded, " "); got != "sv_soft sv_io sv_main" {
			t.Errorf("%s: loaded %s", rec.Target.Release, got)
		}
		if len(rec.Absent) != 1 || !strings.HasPrefix(rec.Absent[0].Reason, "sv_board refused: ENODEV (no such device): no such board; its hardware is not in the guest") {
			t.Errorf("%s: set aside %+v", rec.Target.Release, rec.Absent)
		}
		if got := strings.Join(rec.Firmware, " "); got != "several.bin" {
			t.Errorf("%s: asked for the firmware %q", rec.Target.Release, got)
		}
	}
}

// TestRealLoad holds that the modules that are not chosen are there for modprobe, and that a file that is missing is named.
func TestRealLoad(t *testing.T) {
	needReal(t)
	t.Parallel()
	res := runReal(t, t.Context(), harness.Spec{Module: severalModules, Kernels: realKernels[:1], Suites: []string{harness.Lifecycle},
		Load: []string{"sv_main", "sv-soft"}})
	rec := res.Records[0]
	if rec.Code != results.CodeLoadRefused || !strings.Contains(rec.Reason, "it asked for the firmware several.bin") || !strings.Contains(rec.Reason, "firmware/several.bin") {
		t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	}
	if !slices.Contains(rec.Loaded, "sv_io") {
		t.Errorf("loaded %s", rec.Loaded)
	}
}
