package debian

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

func selector(t *testing.T, text string) kernels.Selector {
	t.Helper()
	sel, err := kernels.ParseSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func resolved(t *testing.T, s *Source, text string) kernels.Target {
	t.Helper()
	res, err := s.Resolve(t.Context(), selector(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return res.Targets[0]
}

// TestAllIsTheNewestOfEverySeries asks suites that share kernels, hold newer ones without headers, and are not there.
func TestAllIsTheNewestOfEverySeries(t *testing.T) {
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
		st := s.state("bullseye")
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
	a := twoSuites(t)
	a.kernel("sid", "7.3.1-amd64", "7.3.1-1")
	a.publish()
	a.spoil("dists/sid/InRelease", "Origin: Debian", "Origin: Nobody")
	_, err := a.source().Resolve(t.Context(), selector(t, "debian:all"))
	if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "sid") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

func TestFetchMakesATreeOfBothLayouts(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	for text, want := range map[string]struct{ release, image, config string }{
		"debian:bookworm":           {"6.1.0-56-amd64", "boot/vmlinuz-6.1.0-56-amd64", "m"},
		"debian:bookworm-backports": {"7.2.12+deb12-amd64", "usr/lib/modules/7.2.12+deb12-amd64/vmlinuz", "m"},
	} {
		target := resolved(t, s, text)
		var steps []kernels.Progress
		tree, err := s.Fetch(t.Context(), target, func(p kernels.Progress) { steps = append(steps, p) })
		if err != nil {
			t.Fatal(text, err)
		}
		if target.Release != want.release || tree.Image != filepath.Join(tree.Dir, want.image) || tree.Config.Value("A") != want.config {
			t.Errorf("%s: release %s, image %s, config A=%s", text, target.Release, tree.Image, tree.Config.Value("A"))
		}
		if last := steps[len(steps)-1]; last.Done != last.Total || last.Total != total(target.Packages) {
			t.Errorf("%s: progress ended at %+v", text, last)
		}
		if paths, err := tree.Closure("virtio"); err != nil || len(paths) != 1 {
			t.Errorf("%s: closure %v, %v", text, paths, err)
		}
		checkMounts(t, tree)
		if _, err := os.Stat(filepath.Join(tree.Dir, "usr/share")); err == nil {
			t.Error(text, "keeps documentation")
		}
	}
	entries, err := s.store.List()
	if err != nil || len(entries) != 3 {
		t.Errorf("two trees and one root that they share were to be made: %+v %v", entries, err)
	}
	nothingLeft(t, s)
}

func checkMounts(t *testing.T, tree *kernels.Tree) {
	t.Helper()
	headers, tools := false, false
	for _, m := range tree.Mounts {
		if rest, ok := strings.CutPrefix(tree.KDIR, m.Guest); ok {
			_, err := os.Stat(filepath.Join(m.Host, rest, "Makefile"))
			headers = err == nil
		}
		tools = tools || strings.HasPrefix(m.Guest, "/usr/lib/linux-kbuild-")
		if info, err := os.Stat(filepath.Join(tree.Root.Dir, m.Guest)); err != nil || !info.IsDir() {
			t.Errorf("%s is no folder in the root: %v", m.Guest, err)
		}
	}
	if !headers || !tools {
		t.Errorf("KDIR %s is not what %v mount", tree.KDIR, tree.Mounts)
	}
	if tree.Root.Compiler != "gcc-12 (Debian) 12.2.0" || !strings.HasPrefix(tree.Root.Digest, "sha256:") {
		t.Errorf("root %+v", tree.Root)
	}
}

func TestRootAsksForWhatTheHeadersNeed(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	if _, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm-backports"), nil); err != nil {
		t.Fatal(err)
	}
	lines := told(t)
	want := "--include=bc,gcc,gcc-12,kmod,libc6-dev,libelf1,make,patch,perl-base,xz-utils"
	if !slices.Contains(lines, want) || !slices.Contains(lines, "bookworm") {
		t.Errorf("mmdebstrap was notices %q; want %s", lines, want)
	}
	for _, l := range lines {
		if strings.HasPrefix(l, "deb ") && strings.Contains(l, "backports") {
			t.Errorf("the root takes packages it does not need to: %s", l)
		}
	}
}

func TestWarmStoreNeedsNoNetworkAndNoTools(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	if _, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm"), nil); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	hits := a.hits.Load()
	again := New(s.store, s.cfg)
	if _, err := again.Fetch(t.Context(), resolved(t, again, "debian:bookworm"), nil); err != nil {
		t.Error(err)
	}
	if a.hits.Load() != hits {
		t.Error("the archive was asked again")
	}
}

func TestTamperedPackageIsRefused(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	target := resolved(t, s, "debian:bookworm")
	a.spoil("pool/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb", "image 6.1.192-2", "imagE 6.1.192-2")
	if _, err := s.Fetch(t.Context(), target, nil); !errors.Is(err, kernels.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	nothingLeft(t, s)
}

func TestPinnedDigestIsCheckedBesidesTheIndex(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	target := resolved(t, s, "debian:bookworm")
	target.Packages[0].SHA256 = strings.Repeat("0", 64)
	if _, err := s.Fetch(t.Context(), target, nil); !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "SHA-256 0000") {
		t.Error(err)
	}
	nothingLeft(t, s)
}

func TestTamperedIndexIsRefused(t *testing.T) {
	for name, tamper := range map[string]func(a *archive){
		"packages":  func(a *archive) { a.spoil("dists/bookworm/main/binary-amd64/Packages", "6.1.176-1", "6.1.999-1") },
		"release":   func(a *archive) { a.spoil("dists/bookworm/InRelease", "Origin: Debian", "Origin: Nobody") },
		"other key": func(a *archive) { a.gpg("--quick-gen-key", "thief", "rsa2048", "sign", "never"); a.resign("thief") },
		"unsigned":  func(a *archive) { a.write(filepath.Join(a.dir, "dists/bookworm/InRelease"), "Origin: Debian\n") },
	} {
		t.Run(name, func(t *testing.T) {
			a := twoSuites(t)
			tamper(a)
			s := a.source()
			res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm"))
			if !errors.Is(err, kernels.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
}

// resign signs bookworm's index with another key.
func (a *archive) resign(user string) {
	a.t.Helper()
	in := filepath.Join(a.dir, "dists/bookworm/InRelease")
	text, err := os.ReadFile(in)
	if err != nil {
		a.t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	body, _, _ = strings.Cut(body, "-----BEGIN PGP SIGNATURE-----")
	a.write(in+".plain", body)
	a.gpg("--local-user", user, "--clearsign", "--output", in, in+".plain")
}

func TestMissingSuites(t *testing.T) {
	a := twoSuites(t)
	a.without("bookworm-updates")
	s := a.source()
	res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm"))
	if err != nil || !slices.Contains(res.Notices, "the archive has no bookworm-updates") {
		t.Error(res.Notices, err)
	}
	for _, name := range []string{"debian:warty", "debian:bookworm-proposed", "debian:trixie-backports"} {
		if _, err := s.Resolve(t.Context(), selector(t, name)); !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), "bookworm") {
			t.Error(name, err)
		}
	}
}

func TestOldIndexServesWhereNobodyAnswers(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	want := resolved(t, s, "debian:bookworm")
	s.cfg.Mirror, s.cfg.SecurityMirror = "http://127.0.0.1:1", "http://127.0.0.1:1"
	for _, offline := range []bool{false, true} {
		s.cfg.Offline = offline
		s.now = func() time.Time { return time.Now().Add(50 * time.Hour) }
		res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm"))
		if err != nil || res.Targets[0].Release != want.Release {
			t.Fatal(res, err)
		}
		if !slices.ContainsFunc(res.Notices, func(n string) bool { return strings.Contains(n, "is 50h0m0s old") }) {
			t.Errorf("the age is not said: %q", res.Notices)
		}
		_, err = s.Resolve(t.Context(), selector(t, "debian:trixie"))
		if !errors.Is(err, kernels.ErrUnavailable) || errors.Is(err, kernels.ErrNoMatch) || strings.Contains(err.Error(), "\n") {
			t.Errorf("offline %v: cold: %v", offline, err)
		}
	}
}

func TestArchiveMovedOnSinceTheIndex(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	old := resolved(t, s, "debian:bookworm")
	a.debs["bookworm-security"] = nil
	if err := os.RemoveAll(filepath.Join(a.dir, "pool")); err != nil {
		t.Fatal(err)
	}
	a.kernel("bookworm-security", "6.1.0-57-amd64", "6.1.193-1")
	a.meta("bookworm-security", "6.1.0-57-amd64", "6.1.193-1")
	a.publish()
	s.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := s.Fetch(t.Context(), old, nil); !errors.Is(err, kernels.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
		t.Error("what is gone was fetched, or the error is unclear:", err)
	}
	if got := resolved(t, s, "debian:bookworm"); got.Version != "6.1.193" {
		t.Errorf("the new index was not used: %s", got.Version)
	}
	nothingLeft(t, s)
}

func TestCancelledDownloadLeavesNothing(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	target := resolved(t, s, "debian:bookworm")
	ctx, cancel := context.WithCancel(t.Context())
	hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	a.serve.Store(&hang)
	if _, err := s.Fetch(ctx, target, nil); !errors.Is(err, context.Canceled) || errors.Is(err, kernels.ErrUnavailable) {
		t.Error(err)
	}
	nothingLeft(t, s)
	if out, _ := exec.Command("pgrep", "-f", s.store.Dir()).Output(); len(out) > 0 {
		t.Errorf("processes left: %s", out)
	}
}

func TestToolTroubleIsOneLineWithTheCure(t *testing.T) {
	a := twoSuites(t)
	s := a.source()
	target := resolved(t, s, "debian:bookworm")
	t.Setenv("FAKE_FAIL", "no space left on device")
	_, err := s.Fetch(t.Context(), target, nil)
	if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "mmdebstrap: no space left on device") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := s.Fetch(t.Context(), target, nil); err == nil || !strings.Contains(err.Error(), "apt-config is missing: ") {
		t.Error(err)
	}
	nothingLeft(t, s)
	s.cfg.Keyring = filepath.Join(a.dir, "none.gpg")
	if _, err := s.Resolve(t.Context(), selector(t, "debian:sid")); err == nil || !strings.Contains(err.Error(), "install debian-archive-keyring") {
		t.Error(err)
	}
}
