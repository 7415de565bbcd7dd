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

	"github.com/modmatrix/modmatrix/results/slowtest"

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

func TestFetchMakesATreeOfBothLayouts(t *testing.T) {
	a := twoSuites(t)
	s := a.warm()
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
	s := a.warm()
	if _, err := s.Fetch(t.Context(), resolved(t, s, "debian:bookworm-backports"), nil); err != nil {
		t.Fatal(err)
	}
	lines := given(t)
	want := "--include=bc,ccache,gcc,gcc-12,kmod,libc6-dev,libelf1,make,patch,perl-base,xz-utils"
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
	s := a.warm()
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
	s := a.warm()
	target := resolved(t, s, "debian:bookworm")
	a.spoil("pool/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb", "image 6.1.192-2", "imagE 6.1.192-2")
	if _, err := s.Fetch(t.Context(), target, nil); !errors.Is(err, kernels.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	nothingLeft(t, s)
}

func TestPinnedDigestIsCheckedBesidesTheIndex(t *testing.T) {
	a := twoSuites(t)
	s := a.warm()
	target := resolved(t, s, "debian:bookworm")
	target.Packages[0].SHA256 = strings.Repeat("0", 64)
	if _, err := s.Fetch(t.Context(), target, nil); !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "SHA-256 0000") {
		t.Error(err)
	}
	nothingLeft(t, s)
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
	impatient(t)
	a := twoSuites(t)
	s := a.warm()
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
	slowtest.Skip(t)
	a := twoSuites(t)
	s := a.warm()
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
	s := a.warm()
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
	s := a.warm()
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
