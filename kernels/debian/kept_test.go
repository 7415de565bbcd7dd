package debian

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
)

// moveOn makes a of which s has read the index an archive that has newer kernels alone, and s read that.
func (a *archive) moveOn(s *Source) {
	a.t.Helper()
	a.debs["bookworm-security"], a.debs["bookworm-backports"] = nil, nil
	if err := os.RemoveAll(filepath.Join(a.dir, "pool")); err != nil {
		a.t.Fatal(err)
	}
	a.kernel("bookworm-security", "6.1.0-57-amd64", "6.1.193-1")
	a.meta("bookworm-security", "6.1.0-57-amd64", "6.1.193-1")
	a.add("bookworm-backports", deb{"linux-image-7.2.20+deb12-amd64", "7.2.20-1~bpo12+1", "amd64", "kmod", nil})
	a.publish()
	s.now = func() time.Time { return time.Now().Add(13 * time.Hour) }
}

const (
	keptSecurity  = "6.1.0-56-amd64 is gone from the archive's bookworm, and served from the store: once deleted there, it cannot be had again"
	keptBackports = "7.2.12+deb12-amd64 is gone from the archive's bookworm-backports, and served from the store: once deleted there, it cannot be had again"
)

// TestWhatIsGoneIsServedFromTheStore asks for kernels that the archive dropped since they were fetched: by version, by series, by
// all, and by what a lock file pinned. What the store has not got is not made up.
func TestWhatIsGoneIsServedFromTheStore(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	s := a.warm()
	security, backports := resolved(t, s, "debian:bookworm"), resolved(t, s, "debian:bookworm-backports")
	never := resolved(t, s, "debian:bookworm@6.1.176")
	for _, target := range []kernels.Target{security, backports} {
		if _, err := s.Fetch(t.Context(), target, nil); err != nil {
			t.Fatal(err)
		}
		if said := s.Gone(t.Context(), target); said != "" {
			t.Errorf("it is there, and: %s", said)
		}
	}
	a.debs["bookworm"] = a.debs["bookworm"][len(a.debs["bookworm"])-1:] // libelf1
	a.moveOn(s)
	for text, want := range map[string]string{
		"debian:bookworm":             "debian:bookworm=6.1.0-57-amd64",
		"debian:bookworm@6.1.192":     "debian:bookworm=6.1.0-56-amd64 " + keptSecurity,
		"debian:bookworm-backports@7": "debian:bookworm-backports=7.2.12+deb12-amd64 " + keptBackports,
		"debian:all@6.1..7":           "debian:bookworm=6.1.0-57-amd64 debian:bookworm-backports=7.2.12+deb12-amd64 " + keptBackports,
	} {
		for range 2 { // and again, from what is remembered
			res, err := s.Resolve(t.Context(), selector(t, text))
			if got := summary(res); err != nil || got != want {
				t.Errorf("%s:\n%q, %v; want\n%q", text, got, err, want)
			}
		}
	}
	for text, want := range map[string]string{"debian:bookworm@6.1.176": "has no 6.1.176; it has 6.1.193", "debian:bookworm@6.1.192/cloud-amd64": "no kernel of flavour"} {
		if res, err := s.Resolve(t.Context(), selector(t, text)); !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v %v", text, res, err)
		}
	}
	hits := a.hits.Load()
	tree, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm@6.1.192"), nil)
	if err != nil || tree.Target.Release != "6.1.0-56-amd64" || a.hits.Load() != hits {
		t.Errorf("%+v %v, with %d requests", tree, err, a.hits.Load()-hits)
	}
	for _, pinned := range []struct {
		target kernels.Target
		want   string
	}{{security, keptSecurity}, {backports, keptBackports},
		{never, "6.1.0-50-amd64 is gone from the archive's bookworm, and not in the store: modmatrix kernels update pins what there is now"}} {
		for range 2 {
			if said := s.Gone(t.Context(), pinned.target); said != pinned.want {
				t.Errorf("%s: %q", pinned.target.Release, said)
			}
		}
	}
	if _, err := s.Fetch(t.Context(), never, nil); err == nil || !strings.Contains(err.Error(), "the archive no longer has linux-") {
		t.Error(err)
	}
}

// TestWithoutAnIndexTheStoreServes: offline, with the store of another who fetched a kernel.
func TestWithoutAnIndexTheStoreServes(t *testing.T) {
	a := twoSuites(t)
	theirs := a.warm()
	if _, err := theirs.Fetch(t.Context(), resolved(t, theirs, "debian:bookworm"), nil); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODMATRIX_SHARED", theirs.store.Dir())
	ours := a.source()
	ours.cfg.Offline = true
	for _, text := range []string{"debian:bookworm", "debian:bookworm@6.1", "debian:bookworm@6.1.192"} {
		res, err := ours.Resolve(t.Context(), selector(t, text))
		if err != nil || len(res.Targets) != 1 || res.Targets[0].Release != "6.1.0-56-amd64" || !strings.Contains(strings.Join(res.Notices, ""), "what the archive has is not known") {
			t.Fatalf("%s: %+v %v", text, res, err)
		}
		if tree, err := ours.Fetch(t.Context(), res.Targets[0], nil); err != nil || !ours.store.Shares(tree.Dir) {
			t.Errorf("%+v %v", tree, err)
		}
	}
	for _, text := range []string{"debian:bookworm@6.1.193", "debian:bookworm-backports", "debian:bookworm@*"} {
		if res, err := ours.Resolve(t.Context(), selector(t, text)); !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "go online once") {
			t.Errorf("%s: %+v %v", text, res, err)
		}
	}
}
