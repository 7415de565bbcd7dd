package debian

import (
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

// TestNewerKernelOfAnotherSuite: an old kernel where another suite has a newer one of its series is said aloud, as far as the
// indices at hand tell; nothing is downloaded to find out.
func TestNewerKernelOfAnotherSuite(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	a.kernel("bullseye", "6.1.0-0.deb11.58-amd64", "6.1.199-1~deb11u1")
	a.kernel("trixie", "6.1.0-70-amd64", "6.1.192-9")
	a.kernel("bookworm-backports", "7.2.10+deb12-amd64", "7.2.10-1~bpo12+1")
	a.publish()
	s := a.source()
	const newer = "6.1.192 is not the newest 6.1 kernel of the archive: bullseye has 6.1.199 (debian:bullseye@6.1)"
	says := func(text string, want string) {
		t.Helper()
		before := a.hits.Load()
		for range 2 { // and again, from what is remembered
			res, err := s.Resolve(t.Context(), selector(t, text))
			got := strings.Join(res.Notices, "\n")
			if err != nil || strings.Contains(got, "of the archive:") != (want != "") || !strings.Contains(got, want) {
				t.Errorf("%s: %q, %v; want %q", text, got, err, want)
			}
		}
		if after := a.hits.Load(); s.cfg.Offline && after != before {
			t.Errorf("%s: %d requests", text, after-before)
		}
	}
	says("debian:bookworm", "") // nobody has asked for bullseye, and nobody does now
	says("debian:trixie@6.1", "")
	if mark := s.state("bullseye", build).stamp(); !mark.Updated.IsZero() {
		t.Error("an index was read for it:", mark)
	}
	says("debian:bullseye@6.1", "")
	s.cfg.Offline = true
	says("debian:bookworm", newer)
	says("debian:bookworm@*", newer)
	says("debian:trixie@6.1", newer)
	s.cfg.Offline = false
	says("debian:bookworm-backports", "")
	if res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm@6.1.176")); err != nil || strings.Count(strings.Join(res.Notices, "\n"), "6.1.1") != 2 {
		t.Errorf("of two that are newer, one is said: %q, %v", res.Notices, err)
	}
	s.now = func() time.Time { return time.Now().Add(2 * maxAge) }
	says("debian:bookworm", "") // its index is of today, and that of bullseye of yesterday
}
