package harness_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

const eduDriver = "testdata/edu"

// TestRealStandIn holds that a driver is probed when its hardware is there, and only then, and that it passes either way.
func TestRealStandIn(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, tt := range []struct {
		name    string
		devices []string
		probes  bool
	}{
		{"with its hardware", []string{"edu"}, true},
		{"without", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := t.TempDir()
			res := runReal(t, t.Context(), harness.Spec{Module: eduDriver, Kernels: realKernels, Suites: []string{harness.Lifecycle},
				Devices: tt.devices, Out: out})
			if len(res.Records) != len(realKernels) {
				t.Fatalf("%d records", len(res.Records))
			}
			for _, rec := range res.Records {
				if rec.Status != results.Pass {
					t.Errorf("%s: %s@%s %s: %s", rec.Target.Release, rec.Status, rec.Stage, rec.Code, rec.Reason)
				}
				if edu := (results.Device{Bus: "pci", ID: "1234:11e8", Driver: "edu", Description: "subsystem 1af4:1100, class 00ff00, revision 10"}); tt.probes != slices.Equal(rec.Hardware, []results.Device{edu}) || !tt.probes && len(rec.Hardware) > 0 {
					t.Errorf("%s: hardware %+v", rec.Target.Release, rec.Hardware)
				}
				console, err := os.ReadFile(filepath.Join(out, rec.Artifacts.Console))
				if err != nil {
					t.Fatal(err)
				}
				probed, removed := strings.Contains(string(console), "edu version 1.0, alive"), strings.Contains(string(console), "edu removed")
				if probed != tt.probes || removed != tt.probes {
					t.Errorf("%s: probed %v, removed %v, want %v", rec.Target.Release, probed, removed, tt.probes)
				}
			}
		})
	}
}

// TestRealKernelModules holds that the kernel's own modules are there before the module is, and that a kernel without them
// is skipped with the condition.
func TestRealKernelModules(t *testing.T) {
	needReal(t)
	t.Parallel()
	res := runReal(t, t.Context(), harness.Spec{Module: eduDriver, Kernels: realKernels[1:], Suites: []string{"testdata/dummies"},
		Modules: []string{"dummy"}})
	if rec := res.Records[0]; rec.Status != results.Pass {
		t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	}
	res = runReal(t, t.Context(), harness.Spec{Module: eduDriver, Kernels: realKernels[1:], Suites: []string{harness.Lifecycle},
		Modules: []string{"loop", "no-such-hwsim"}})
	rec := res.Records[0]
	if want := "this kernel has no no-such-hwsim (guest.modules)"; rec.Status != results.Skip || rec.Code != results.CodeConfigMissing || rec.Reason != want {
		t.Errorf("%s@%s %s: %q, want %q", rec.Status, rec.Stage, rec.Code, rec.Reason, want)
	}
}
