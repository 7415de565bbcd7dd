package results

import (
	"slices"
	"testing"
)

// Two kernels of one release and different architectures have different labels; where a release says its architecture, nothing is added.
func TestLabelHoldsTheArchitecture(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{Release: "6.12.0", Arch: "x86_64"}, "6.12.0"},
		{Target{Release: "6.12.0", Arch: "aarch64"}, "6.12.0%arm64"},
		{Target{Release: "6.12.0", Arch: "i686", Profile: "kasan"}, "6.12.0+kasan%i386"},
		{Target{Release: "6.12.107+deb13-amd64", Arch: "x86_64"}, "6.12.107+deb13-amd64"},
		{Target{Release: "6.1.0-50-686-pae", Arch: "i686"}, "6.1.0-50-686-pae"},
		{Target{Release: "6.1.0-57-cloud-arm64", Arch: "aarch64"}, "6.1.0-57-cloud-arm64"},
		{Target{Release: "6.12.107+deb13-powerpc64le-64k", Arch: "ppc64le"}, "6.12.107+deb13-powerpc64le-64k"},
		{Target{Release: "6.12.5-200.fc41.aarch64", Arch: "aarch64"}, "6.12.5-200.fc41.aarch64"},
		{Target{Release: "6.8.0-45-generic", Arch: "aarch64"}, "6.8.0-45-generic%arm64"},
		{Target{Release: "6.12.0", Arch: "sparc64"}, "6.12.0"}, // no row
		{Target{Release: "6.12.0", Arch: "aarch64", Source: SourceHere}, "6.12.0+here"},
		{Target{Source: "debian:trixie%riscv64"}, "debian:trixie%riscv64"},
	} {
		if got := c.target.Label(); got != c.want {
			t.Errorf("%+v is called %q, want %q", c.target, got, c.want)
		}
	}
}

// A matrix has the kernels of each architecture together, and two compiled kernels of one release are two rows; so has a merged one, and a
// comparison takes neither for the other.
func TestArchitecturesAreGroups(t *testing.T) {
	record := func(version, arch string, s Status) Record {
		return Record{Target: Target{Release: version, Version: version, Arch: arch, Flavour: "minimal", Source: "tar:x"}, Suite: "lifecycle", Status: s}
	}
	r := &Results{Records: []Record{record("6.12.0", "s390x", Fail), record("6.1.0", "aarch64", Pass), record("6.12.0", "x86_64", Pass), record("6.12.0", "aarch64", Pass), record("6.1.0", "x86_64", Pass)}}
	r.Finish()
	var labels []string
	for _, w := range r.Matrix().Rows {
		labels = append(labels, w.Target.Label())
	}
	if want := []string{"6.1.0", "6.12.0", "6.1.0%arm64", "6.12.0%arm64", "6.12.0%s390x"}; !slices.Equal(labels, want) {
		t.Errorf("rows %q, want %q", labels, want)
	}
	now := &Results{Records: slices.Clone(r.Records)}
	now.Records[3].Status = Fail // 6.12.0%arm64
	now.Finish()
	changes := Compare(r, now).Changes
	if len(changes) != 1 || changes[0].Target != "6.12.0%arm64" || changes[0].Kind != Regressed {
		t.Errorf("changes %+v", changes)
	}
}
