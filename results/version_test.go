package results

import (
	"slices"
	"testing"
)

func TestVersionsAreOrderedAsPeopleOrderThem(t *testing.T) {
	want := []string{"", "5.10.0-46-amd64", "5.10.223", "6.1", "6.1.0-9", "6.1.0-56", "6.12-rc1", "6.12-rc10", "6.12",
		"6.12.107", "6.19-rc3", "6.19", "6.19.1", "7.2.12", "10.0"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, CompareVersions)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzCompareVersionsIsAnOrder(f *testing.F) {
	f.Add("6.1", "6.12", "7.2")
	f.Add("6.19-rc3", "6.19", "6.19.1")
	f.Add("6.19~rc3", "6.019", "6.19+deb13-amd64")
	f.Add("", "0", "-rc")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if (CompareVersions(a, b) == 0) != (a == b) {
			t.Errorf("%q and %q: equal or not?", a, b)
		}
		if CompareVersions(a, b) != -CompareVersions(b, a) {
			t.Errorf("%q and %q: each before the other", a, b)
		}
		if CompareVersions(a, b) < 0 && CompareVersions(b, c) < 0 && CompareVersions(a, c) >= 0 {
			t.Errorf("%q < %q < %q, but not the first before the last", a, b, c)
		}
	})
}
