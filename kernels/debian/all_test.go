package debian

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
)

// TestAllIsTheNewestOfEverySeries asks suites that share kernels, hold newer ones without headers, and are not there.
func TestAllIsTheNewestOfEverySeries(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	a.without("bookworm-updates")
	image := func(suite, release, version string) {
		a.add(suite, deb{"linux-image-" + release, version, "amd64", "kmod", nil})
	}
	image("bookworm-backports", "7.2.20+deb12-amd64", "7.2.20-1~bpo12+1")
	image("bookworm-backports", "6.16.12+deb12-amd64", "6.16.12-1~bpo12+1")
	a.kernel("sid", "7.2.12+deb12-amd64", "7.2.12-1~bpo12+1") // the same as in backports
	a.kernel("sid", "6.16.3+deb14-amd64", "6.16.3-1")
	a.kernel("sid", "6.1.0-49-amd64", "6.1.170-1")
	image("experimental", "6.17.1+deb14-amd64", "6.17.1-1~exp1")
	a.add("sid", deb{"libelf1", "0.190-2", "amd64", "", nil})
	a.publish()
	s := a.source()
	const whole = "debian:bookworm=6.1.0-56-amd64 debian:sid=6.16.3+deb14-amd64 debian:bookworm-backports=7.2.12+deb12-amd64 (6.17.1+deb14-amd64)" +
		" 6.16.3 is not the newest 6.16 kernel of all: there is 6.16.12, but without headers" +
		" 7.2.12 is not the newest 7.2 kernel of bookworm-backports: there is 7.2.20, but without headers the archive has no bookworm-updates bookworm-backports has no 7.2.12 of flavour rt-amd64"
	for text, want := range map[string]string{
		"debian:all":           whole,
		"debian:all@7":         "debian:bookworm-backports=7.2.12+deb12-amd64 7.2.12 is not the newest 7.2 kernel of bookworm-backports: there is 7.2.20, but without headers the archive has no bookworm-updates",
		"debian:all@6.17":      "(6.17.1+deb14-amd64)",
		"debian:all@6.1..6.16": "debian:bookworm=6.1.0-56-amd64 debian:sid=6.16.3+deb14-amd64 6.16.3 is not the newest 6.16 kernel of all: there is 6.16.12, but without headers the archive has no bookworm-updates",
	} {
		res, err := s.Resolve(t.Context(), selector(t, text))
		if got := summary(res); err != nil || got != want {
			t.Errorf("%s:\n%q, %v; want\n%q", text, got, err, want)
		}
	}
	for _, text := range []string{"debian:all@5.10", "debian:all/rt-amd64"} {
		if _, err := s.Resolve(t.Context(), selector(t, text)); !errors.Is(err, kernels.ErrNoMatch) {
			t.Errorf("%s: %v", text, err)
		}
	}
	hits := a.hits.Load()
	again := New(s.store, s.cfg)
	res, err := again.Resolve(t.Context(), selector(t, "debian:all"))
	if got := summary(res); err != nil || got != whole || a.hits.Load() != hits {
		t.Errorf("from what is remembered, with %d requests: %q, %v", a.hits.Load()-hits, got, err)
	}
	if e := res.Incomplete[0]; !errors.Is(e, kernels.ErrUnavailable) || !strings.Contains(e.Error(), "6.17.1") || e.Version != "6.17.1" {
		t.Errorf("%+v", e)
	}
	if _, err := again.Fetch(t.Context(), res.Targets[2], nil); err != nil {
		t.Error(err)
	}
}

// dates is a package with the dates of releases.
func dates(rows string) deb {
	return deb{supportPackage, "0.1", "all", "", map[string]string{"/" + supportFile: "version,codename,series,created,release,eol,eol-lts,eol-elts\n" + rows}}
}

// TestAllIsOfEachSupportedRelease: a release that has ended is asked only where nobody else has a series, and so is one that
// is still to come; each of them is reported.
func TestAllIsOfEachSupportedRelease(t *testing.T) {
	slowtest.Skip(t)
	const rows = "11,Bullseye,bullseye,2019-07-06,2021-08-14,2024-08-14,2026-08-31,2031-06-30\n" +
		"12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30\n" +
		"13,Trixie,trixie,2023-06-10,2025-08-09,2028-08-09,2030-06-30,2035-06-30\n" +
		",Sid,sid,1993-08-16\n"
	a := newArchive(t)
	for suite, of := range map[string][2]string{"bullseye": {"5.10.0-46-amd64", "5.10.260-1"}, "bullseye-backports": {"6.1.0-0.deb11.52-amd64", "6.1.180-1~deb11u1"},
		"bookworm": {"6.1.0-56-amd64", "6.1.192-2"}, "bookworm-security": {"6.12.117+deb12-amd64", "6.12.117-1~deb12u1"},
		"trixie": {"6.12.117+deb13-amd64", "6.12.117-1"}, "trixie-backports": {"7.2.12+deb13-amd64", "7.2.12-1~bpo13+1"},
		"sid": {"7.2.13+deb14-amd64", "7.2.13-1"}, "experimental": {"7.4-rc1-amd64", "7.4~rc1-1~exp1"}} {
		a.kernel(suite, of[0], of[1])
		if !strings.Contains(suite, "-") && suite != "experimental" {
			a.add(suite, deb{"libelf1", "0.188-2", "amd64", "", nil}, dates(rows))
		}
	}
	a.kernel("experimental", "7.4-rc1-rt-amd64", "7.4~rc1-1~exp1")
	a.publish()
	s := a.source()
	s.now = func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	notes := map[bool]string{
		false: "6.1.180 of bullseye-backports is left out: that release is no longer supported (debian:bullseye-backports@6.1 names it) " +
			"7.2.13 of sid is newer, and left out: no release has it yet (debian:sid@7.2 names it) " +
			"bullseye is no longer supported since 2026-08-31 (distro-info-data 0.1): no newer kernels are to be expected " +
			"the archive has no bookworm-updates the archive has no bullseye-security the archive has no trixie-security",
	}
	for text, want := range map[string]string{
		"debian:all": "debian:bullseye=5.10.0-46-amd64 debian:bookworm=6.1.0-56-amd64 debian:bookworm=6.12.117+deb12-amd64 debian:trixie=6.12.117+deb13-amd64" +
			" debian:trixie-backports=7.2.12+deb13-amd64 debian:experimental=7.4-rc1-amd64 debian:experimental=7.4-rc1-rt-amd64 " + notes[false],
		"debian:all@6.12": "debian:bookworm=6.12.117+deb12-amd64 debian:trixie=6.12.117+deb13-amd64 the archive has no bookworm-updates the archive has no trixie-security",
	} {
		res, err := s.Resolve(t.Context(), selector(t, text))
		if got := summary(res); err != nil || got != want {
			t.Errorf("%s:\n%q, %v; want\n%q", text, got, err, want)
		}
	}
	for name, c := range map[string]struct {
		now  time.Time
		want string
	}{
		"the last day":  {time.Date(2026, 8, 31, 23, 0, 0, 0, time.UTC), ""},
		"the day after": {time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), "bullseye is no longer supported since 2026-08-31 (distro-info-data 0.1): no newer kernels are to be expected"},
	} {
		st := s.state("bullseye", build)
		s.now = func() time.Time { return c.now }
		got := slices.DeleteFunc(st.notices(), func(n string) bool { return !strings.Contains(n, "supported") })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	nothingLeft(t, s)
}

// TestAllAsksEverybody: a suite that cannot be asked must not be missing unseen.
func TestAllAsksEverybody(t *testing.T) {
	slowtest.Skip(t)
	a := twoSuites(t)
	a.kernel("sid", "7.3.1-amd64", "7.3.1-1")
	a.publish()
	a.spoil("dists/sid/InRelease", "Origin: Debian", "Origin: Nobody")
	_, err := a.source().Resolve(t.Context(), selector(t, "debian:all"))
	if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "sid") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}
