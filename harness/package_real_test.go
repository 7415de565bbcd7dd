package harness_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/packaging"
	"github.com/modmatrix/modmatrix/results"
)

// TestRealPackages makes packages of the example driver, has the dkms of a release install them, and loads what came out. One kind and one
// release unless MODMATRIX_TEST_PACKAGES is set: then every kind, on every release.
func TestRealPackages(t *testing.T) {
	needReal(t)
	kinds, selectors := []packaging.Kind{packaging.Tar}, []string{"debian:bookworm/cloud-amd64+package"}
	if os.Getenv("MODMATRIX_TEST_PACKAGES") != "" {
		kinds = []packaging.Kind{packaging.Tar, packaging.Deb, packaging.RPM}
		selectors = []string{"debian:bullseye/cloud-amd64+package", "debian:bookworm/cloud-amd64+package", "debian:trixie/cloud-amd64+package", "debian:trixie-backports/cloud-amd64+package"}
	}
	h, err := harness.New(harness.Options{Tool: "modmatrix test"})
	if err != nil {
		t.Fatal(err)
	}
	spec := harness.Spec{Module: exampleDriver, Kernels: harness.Selectors(selectors...)}
	measured := measuredOn(t, h, spec, "5.10.1", "6.12.1") // and not on what backports have
	for _, kind := range kinds {
		t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
		made, err := h.Package(t.Context(), spec, harness.PackageRequest{Kind: kind, Results: measured, Asked: true, Maintainer: "A. Packager <p@example.org>", Out: t.TempDir(), Progress: func(kernels.Progress) {}})
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Package(t.Context(), spec, harness.PackageRequest{Kind: kind, Results: measured, Asked: true, Maintainer: "A. Packager <p@example.org>", Out: t.TempDir(), Progress: func(kernels.Progress) {}})
		if err != nil || made.SHA256 != again.SHA256 || made.Kernels.Max != "6.12" {
			t.Errorf("%+v, then %+v, %v", made, again, err)
		}
		if kind == packaging.RPM {
			if data, err := os.ReadFile(made.File); err != nil || !strings.HasPrefix(string(data), "\xed\xab\xee\xdb") {
				t.Errorf("%s is no package of RPM: %v", filepath.Base(made.File), err)
			}
			continue
		}
		res := runReal(t, t.Context(), harness.Spec{Module: made.File, Kernels: spec.Kernels, Suites: []string{harness.Lifecycle}})
		if len(res.Records) != len(selectors) {
			t.Errorf("%s: %d records", kind, len(res.Records))
		}
		for _, rec := range res.Records {
			want := results.Pass
			if strings.HasPrefix(rec.Target.Version, "7.") {
				want = results.Skip
			}
			if rec.Status != want || rec.Target.Profile != packaging.Profile || want == results.Pass && !strings.Contains(strings.Join(rec.Notes, "\n"), "installed as a package: dkms ") {
				t.Errorf("%s on %s: %s %s, %q", kind, rec.Target.Label(), rec.Status, rec.Reason, rec.Notes)
			}
		}
	}
}

// measuredOn are results of the module of spec that pass on kernels of these versions.
func measuredOn(t *testing.T, h *harness.Harness, spec harness.Spec, versions ...string) *results.Results {
	t.Helper()
	plan, err := h.PlanModule(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	r := &results.Results{Module: plan.Module, Run: results.Run{Started: time.Unix(1700000000, 0)}}
	for _, version := range versions {
		r.Records = append(r.Records, results.Record{Suite: harness.Lifecycle, Status: results.Pass,
			Target: results.Target{Release: version, Version: version, Arch: "x86_64", Source: "debian:x"}})
	}
	return r
}
