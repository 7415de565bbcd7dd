package debian

import (
	"os"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func TestEachReleaseOfASuite(t *testing.T) {
	for name, want := range map[string]string{
		"bookworm":           "debian:bookworm=6.1.0-50-amd64 debian:bookworm=6.1.0-56-amd64 debian:bookworm=6.12.117+deb12-amd64 (6.1.0-57-amd64)",
		"bookworm-security":  "debian:bookworm-security=6.1.0-56-amd64 debian:bookworm-security=6.12.117+deb12-amd64 (6.1.0-57-amd64)",
		"bookworm-backports": "debian:bookworm-backports=7.3~rc7-amd64 (6.16.12+deb12-amd64)",
	} {
		sel := kernels.Selector{Source: "debian", Name: name, Version: everyRelease, Flavour: build.Flavour}
		a, err := resolveIn(testLists(t, "bookworm", "bookworm-security", "bookworm-backports"), suiteOf(name), build, sel)
		if err != nil {
			t.Fatal(err)
		}
		if got := summary(a.resolution()); got != want {
			t.Errorf("%s: got %s; want %s", name, got, want)
		}
	}
}

// What a suite has in part another may have whole, and of two that have the same release the more stable one is taken.
func TestReleasesOfAllSuites(t *testing.T) {
	pick := func(suite, release, version string) choice {
		return choice{Target: kernels.Target{Release: release, Version: version, Source: "debian:" + suite}}
	}
	got := summary(eachOnce([]answer{{Found: []choice{pick("old", "6.12.9-amd64", "6.12.9"), pick("old", "6.12.10-amd64", "6.12.10")}}, {Found: []choice{pick("new", "6.12.10-amd64", "6.12.10"), pick("new", "7.2-amd64", "7.2"), pick("new", "7.2~rc3-amd64", "7.2~rc3")},
		Incomplete: []*kernels.IncompleteError{{Release: "6.12.9-amd64", Version: "6.12.9"}, {Release: "6.16.3-amd64", Version: "6.16.3"}}}}))
	want := "debian:old=6.12.9-amd64 debian:old=6.12.10-amd64 debian:new=7.2~rc3-amd64 debian:new=7.2-amd64 (6.16.3-amd64)"
	if got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestRealReleases(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("asks the archive: set MODMATRIX_REAL=1")
	}
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	res, err := New(st, Config{}).Releases(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(summary(res))
	for i, target := range res.Targets[1:] {
		if older(target.Version, res.Targets[i].Version) {
			t.Errorf("%s comes after %s", target.Version, res.Targets[i].Version)
		}
	}
	if len(res.Targets) < 10 || len(res.Incomplete) == 0 {
		t.Errorf("%d kernels, %d incomplete: fewer than any archive holds", len(res.Targets), len(res.Incomplete))
	}
}
