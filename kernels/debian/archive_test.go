package debian

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

const (
	mainArchive     = "'http://127.0.0.1:1/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0 \n"
	updatesArchive  = "'http://127.0.0.1:1/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz' x 0 \n"
	securityArchive = "'http://127.0.0.1:2/debian-security/dists/bookworm-security/main/binary-amd64/Packages.xz' x 0 \n"
)

func TestArchivesIn(t *testing.T) {
	for name, c := range map[string]struct {
		uris string
		want archives
	}{
		"usual":                     {mainArchive + updatesArchive + securityArchive, archives{"http://127.0.0.1:1/debian", "http://127.0.0.1:2/debian-security"}},
		"no security":               {mainArchive, archives{Main: "http://127.0.0.1:1/debian"}},
		"none":                      {"", archives{}},
		"another's bookworm, first": {"'http://127.0.0.1:3/tor/dists/bookworm/main/binary-amd64/Packages.xz' x 0 \n" + mainArchive + updatesArchive, archives{Main: "http://127.0.0.1:1/debian"}},
		"another's component":       {"'http://127.0.0.1:3/linux/debian/dists/bookworm/stable/binary-amd64/Packages.xz' x 0 \n", archives{}},
		"another distribution":      {"'http://127.0.0.1:3/ubuntu/dists/noble/main/binary-amd64/Packages.xz' x 0 \n", archives{}},
		"folder":                    {"'file:/srv/debian/dists/sid/main/binary-amd64/Packages.xz' x 0 \n", archives{Main: "file:/srv/debian"}},
	} {
		if got := archivesIn(c.uris); got != c.want {
			t.Errorf("%s: %+v; want %+v", name, got, c.want)
		}
	}
}

// foreignHost is a host whose apt sources name no archive of Debian, as on another distribution, and a mmdebstrap that says uris of its
// default ones to who asks it as the real one would be asked: a hook that ends it.
func foreignHost(t *testing.T, uris string) *Source {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{
		"apt-get":    "#!/bin/sh\n[ -z \"$APT_CONFIG\" ] || cat \"$APT_CONFIG\"\n",
		"mmdebstrap": "#!/bin/sh\nfor arg; do case $arg in --setup-hook=*) MMDEBSTRAP_APT_CONFIG=" + bin + "/uris sh -c \"${arg#*=}\" >&2; exit;; esac; done\n",
		"uris":       uris,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("MODMATRIX_DEBIAN_MIRROR", "")
	t.Setenv("MODMATRIX_DEBIAN_SECURITY_MIRROR", "")
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(st, Config{Keyring: filepath.Join(bin, "apt-get")})
}

func TestNoArchiveSaysHowToNameOne(t *testing.T) {
	_, err := foreignHost(t, "").Resolve(t.Context(), selector(t, "debian:sid"))
	if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), "MODMATRIX_DEBIAN_MIRROR") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

// On a host of another distribution the archive is the one that mmdebstrap takes by default; what is given counts before it.
func TestAForeignHostTakesTheDefaultOfItsTools(t *testing.T) {
	s := foreignHost(t, strings.ReplaceAll(mainArchive+updatesArchive+securityArchive, "bookworm", "stable"))
	want := archives{"http://127.0.0.1:1/debian", "http://127.0.0.1:2/debian-security"}
	if got, byDefault, err := s.archives(t.Context()); got != want || !byDefault || err != nil {
		t.Errorf("%+v, %v, %v", got, byDefault, err)
	}
	if text, err := s.Archives(t.Context()); !strings.Contains(text, "mmdebstrap's default") || err != nil {
		t.Error(text, err)
	}
	s.cfg.SecurityMirror = "file:/srv/security"
	if got, _, err := s.archives(t.Context()); got != (archives{want.Main, "file:/srv/security"}) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// The real mmdebstrap names its default to the same question, and reads nothing from it.
func TestMmdebstrapNamesItsDefault(t *testing.T) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip(err)
	}
	if found, err := defaultArchives(t.Context()); err != nil || found.Main == "" || found.Security == "" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestSuites(t *testing.T) {
	for name, want := range map[string]string{ // chosen ones with a star, those in the security archive with an s, optional ones with a ?
		"trixie":                    "trixie* trixie-security*s? trixie-updates*?",
		"trixie-backports":          "trixie trixie-securitys? trixie-updates? trixie-backports*",
		"trixie-security":           "trixie trixie-security*s trixie-updates?",
		"bullseye-backports-sloppy": "bullseye bullseye-securitys? bullseye-updates? bullseye-backports-sloppy* bullseye-backports",
		"unstable":                  "sid*",
		"experimental":              "sid experimental*",
	} {
		var got []string
		for _, l := range suiteOf(name).lines {
			text := l.suite
			if l.chosen {
				text += "*"
			}
			if l.security {
				text += "s"
			}
			if l.optional {
				text += "?"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}

func TestWithoutMissing(t *testing.T) {
	lines := suiteOf("bookworm").lines
	for name, c := range map[string]struct {
		output, missing string
		left            int
	}{
		"optional":  {"E: The repository 'http://127.0.0.1:1/debian bookworm-updates Release' does not have a Release file.", "bookworm-updates", 2},
		"the suite": {"E: The repository 'http://127.0.0.1:1/debian bookworm Release' does not have a Release file.", "bookworm", 3},
		"nobody":    {"Err:1 http://127.0.0.1:1/debian bookworm InRelease\n  Could not connect to 127.0.0.1:1\nE: The repository 'http://127.0.0.1:1/debian bookworm Release' does not have a Release file.", "", 3},
		"signature": {"E: The repository 'http://127.0.0.1:1/debian bookworm InRelease' is not signed.", "", 3},
	} {
		left, missing := withoutMissing(lines, &kernels.ToolError{Tool: "apt-get", Output: c.output, Err: errors.New("exit status 100")})
		if missing != c.missing || len(left) != c.left {
			t.Errorf("%s: %q, %d left; want %q, %d", name, missing, len(left), c.missing, c.left)
		}
	}
	if _, missing := withoutMissing(lines, errors.New("x")); missing != "" {
		t.Error(missing)
	}
}

func TestOnlySettingsOfTheWayAreCarried(t *testing.T) {
	for text, want := range map[string]bool{
		`Acquire::http::Proxy "http://127.0.0.1:3142";`: true,
		`Acquire::https::Verify-Peer "true";`:           true,
		`Acquire::Check-Valid-Until "false";`:           true,
		`Acquire::AllowInsecureRepositories "1";`:       false,
		`Acquire::Languages "de";`:                      false,
		`Acquire::http::x "a"; DPkg::Pre-Invoke "b";`:   false,
	} {
		if got := carried.MatchString(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if _, err := scanIndex(strings.NewReader("Package: x\nVersion: 1\nSize: -1\n"), func(string) bool { return true }); err == nil {
		t.Error("a negative size")
	}
	if names, err := installedIn(t.Context(), t.TempDir()); err == nil || slices.Contains(names, "") {
		t.Error(names, err)
	}
}
