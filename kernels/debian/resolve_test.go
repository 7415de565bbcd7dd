package debian

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"pault.ag/go/debian/version"
)

// stanza is a paragraph of an index.
func stanza(name, ver, depends string) string {
	if depends != "" {
		depends = "Depends: " + depends + "\n"
	}
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\n%sSize: 10\nSHA256: %064d\n\n", name, ver, depends, len(name))
}

// entry is a kernel's packages as an index lists them, with or without what modules are built with.
func entry(release, ver string, headers bool) string {
	text := stanza("linux-image-"+release, ver, "kmod, linux-base (>= 4.3~)")
	if headers {
		text += stanza("linux-headers-"+release, ver, "linux-headers-"+release+"-common (= "+ver+"), linux-compiler-gcc-12-x86, pahole (>= 1.20)") +
			stanza("linux-headers-"+release+"-common", ver, "")
	}
	return text
}

func meta(flavour, release, ver string) string {
	return stanza("linux-image-"+flavour, ver, "linux-image-"+release+" (= "+ver+")")
}

var testSuites = map[string]string{
	"bookworm": entry("6.1.0-50-amd64", "6.1.176-1", true) + meta("amd64", "6.1.0-50-amd64", "6.1.176-1") +
		stanza("linux-compiler-gcc-12-x86", "6.1.176-1", "gcc-12") + stanza("pahole", "1.24-4.1", ""),
	"bookworm-security": entry("6.1.0-56-amd64", "6.1.192-2", true) + meta("amd64", "6.1.0-56-amd64", "6.1.192-2") +
		entry("6.1.0-57-amd64", "6.1.193-1", false) + entry("6.1.0-56-cloud-amd64", "6.1.192-2", true) +
		entry("6.12.117+deb12-amd64", "6.12.117-1~deb12u1", true) + meta("6.12-amd64", "6.12.117+deb12-amd64", "6.12.117-1~deb12u1") +
		stanza("linux-image-6.1.0-56-amd64-unsigned", "6.1.192-2", "") + stanza("linux-image-6.1.0-56-amd64-dbg", "6.1.192-2", "") +
		stanza("linux-compiler-gcc-12-x86", "6.1.192-2", "gcc-12"),
	"bookworm-backports": entry("6.16.12+deb12-amd64", "6.16.12-1~bpo12+1", false) + entry("7.3~rc7-amd64", "7.3~rc7-1~bpo12+1", true),
}

func testLists(t *testing.T, names ...string) []list {
	t.Helper()
	var lists []list
	for _, name := range names {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(testSuites[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		lists = append(lists, list{name, build.Debian, name, path})
	}
	return lists
}

func TestResolveIn(t *testing.T) {
	for text, want := range map[string]struct {
		release, notice string
		err             error
		says            string
	}{
		"debian:bookworm":                  {release: "6.1.0-56-amd64", notice: "6.1.192 is not the newest 6.1 kernel of bookworm: there is 6.1.193, but without headers"},
		"debian:bookworm@6.1":              {release: "6.1.0-56-amd64", notice: "6.1.193, but without headers"},
		"debian:bookworm@6.1.176":          {release: "6.1.0-50-amd64", notice: "6.1.176 is not the newest 6.1 kernel"},
		"debian:bookworm@6.12":             {release: "6.12.117+deb12-amd64"},
		"debian:bookworm/cloud-amd64@":     {err: errors.ErrUnsupported},
		"debian:bookworm@6.1/cloud-amd64":  {release: "6.1.0-56-cloud-amd64"},
		"debian:bookworm/cloud-amd64":      {err: kernels.ErrNoMatch, says: "no linux-image-cloud-amd64"},
		"debian:bookworm@6.1.193":          {err: kernels.ErrUnavailable, says: "image of 6.1.0-57-amd64, but no headers: linux-headers-6.1.0-57-amd64 (= 6.1.193-1): not in the archive"},
		"debian:bookworm@6.5":              {err: kernels.ErrNoMatch, says: "has no 6.5; it has 6.1.176 6.1.192 6.12.117"},
		"debian:bookworm/rt-amd64":         {err: kernels.ErrNoMatch, says: "no kernel of flavour rt-amd64; it has amd64 cloud-amd64"},
		"debian:bookworm-backports@7.3":    {release: "7.3~rc7-amd64"},
		"debian:bookworm-backports@6.16":   {err: kernels.ErrUnavailable, says: "complete are 7.3~rc7"},
		"debian:bookworm-backports@6.1":    {err: kernels.ErrNoMatch, says: "has no 6.1;"},
		"debian:bookworm-security@6.1.192": {release: "6.1.0-56-amd64", notice: "6.1.193"},
	} {
		sel, err := kernels.ParseSelector(text)
		if err != nil {
			if want.err != errors.ErrUnsupported {
				t.Error(err)
			}
			continue
		}
		a, err := resolveIn(testLists(t, "bookworm", "bookworm-security", "bookworm-backports"), suiteOf(sel.Name), build, sel)
		res := a.resolution()
		switch {
		case want.err != nil:
			if !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.says) {
				t.Errorf("%s: %v; want %q", text, err, want.says)
			}
		case err != nil || len(res.Targets) != 1 || res.Targets[0].Release != want.release:
			t.Errorf("%s: %+v, %v", text, res, err)
		case (want.notice == "") != (len(res.Notices) == 0) || !strings.Contains(strings.Join(res.Notices, "\n"), want.notice):
			t.Errorf("%s: notices %q; want %q", text, res.Notices, want.notice)
		}
	}
}

// summary is what a selector resolved to: targets, those that are incomplete in brackets, and notices.
func summary(res kernels.Resolution) string {
	var words []string
	for _, t := range res.Targets {
		words = append(words, t.Source+"="+t.Release)
	}
	for _, e := range res.Incomplete {
		words = append(words, "("+e.Release+")")
	}
	return strings.Join(append(words, res.Notices...), " ")
}

func TestSeveralSeries(t *testing.T) {
	for text, want := range map[string]string{
		"debian:bookworm@6.*":           "debian:bookworm=6.1.0-56-amd64 debian:bookworm=6.12.117+deb12-amd64 6.1.192 is not the newest 6.1 kernel of bookworm: there is 6.1.193, but without headers",
		"debian:bookworm@..6.1.180":     "debian:bookworm=6.1.0-50-amd64 6.1.176 is not the newest 6.1 kernel of bookworm: there is 6.1.193, but without headers",
		"debian:bookworm@6.2..":         "debian:bookworm=6.12.117+deb12-amd64",
		"debian:bookworm-backports@*":   "debian:bookworm-backports=7.3~rc7-amd64 (6.16.12+deb12-amd64)",
		"debian:bookworm-backports@6.*": "(6.16.12+deb12-amd64)",
	} {
		sel := selector(t, text)
		a, err := resolveIn(testLists(t, "bookworm", "bookworm-security", "bookworm-backports"), suiteOf(sel.Name), build, sel)
		if got := summary(a.resolution()); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestTargetHoldsWhatIsUnpackedAndWhatIsInstalled(t *testing.T) {
	sel := kernels.Selector{Source: "debian", Name: "bookworm", Version: "6.1.192"}
	a, err := resolveIn(testLists(t, "bookworm", "bookworm-security"), suiteOf("bookworm"), build, sel)
	if err != nil {
		t.Fatal(err)
	}
	target := a.Found[0].Target
	var names []string
	for _, p := range target.Packages {
		names = append(names, p.Name+"="+p.Version)
	}
	if want := []string{"linux-headers-6.1.0-56-amd64=6.1.192-2", "linux-headers-6.1.0-56-amd64-common=6.1.192-2", "linux-image-6.1.0-56-amd64=6.1.192-2"}; !slices.Equal(names, want) {
		t.Errorf("packages %v", names)
	}
	if target.Version != "6.1.192" || target.Suite != "bookworm" || target.Source != "debian:bookworm" || target.Arch != "x86_64" || target.Flavour != "amd64" {
		t.Errorf("%+v", target)
	}
	// linux-compiler-… stands for gcc-12 and is no package of its own anywhere.
	if want := []string{"gcc-12", "pahole"}; !slices.Equal(target.RootPkgs, want) {
		t.Errorf("root packages %v", target.RootPkgs)
	}
}

func TestRootTakesFromTheSelectedSuiteOnlyWhatTheBaseLacks(t *testing.T) {
	lists := testLists(t, "bookworm", "bookworm-backports")
	old := lists[1].path
	text := entry("7.3.4+deb12-amd64", "7.3.4-1~bpo12+1", true) + stanza("linux-compiler-gcc-12-x86", "7.3.4-1~bpo12+1", "gcc-12-for-host") +
		stanza("pahole", "1.30-1~bpo12+1", "")
	text = strings.Replace(text, "pahole (>= 1.20)", "pahole (>= 1.28)", 1)
	if err := os.WriteFile(old, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sel := kernels.Selector{Source: "debian", Name: "bookworm-backports", Version: "7.3"}
	a, err := resolveIn(lists, suiteOf(sel.Name), build, sel)
	if err != nil {
		t.Fatal(err)
	}
	target := a.Found[0].Target
	if want := []string{"gcc-12", "pahole=1.30-1~bpo12+1"}; !slices.Equal(target.RootPkgs, want) || target.Suite != "bookworm-backports" {
		t.Errorf("%s %v", target.Suite, target.RootPkgs)
	}
	if got := compilerOf(target.RootPkgs); got != "gcc-12" {
		t.Errorf("compiler %q", got)
	}
	var names []string
	for _, l := range rootLines(suiteOf(sel.Name), target.Suite, []string{"bookworm", "bookworm-backports"}) {
		names = append(names, l.suite)
	}
	if !slices.Equal(names, []string{"bookworm", "bookworm-backports"}) {
		t.Errorf("the root is made from %v", names)
	}
}

func TestImageNames(t *testing.T) {
	for name, want := range map[string]string{
		"linux-image-6.1.0-56-amd64":                 "6.1.0-56-amd64 amd64",
		"linux-image-6.1.0-56-cloud-amd64":           "6.1.0-56-cloud-amd64 cloud-amd64",
		"linux-image-6.12.115+deb13.1-rt-amd64":      "6.12.115+deb13.1-rt-amd64 rt-amd64",
		"linux-image-6.1.0-0.deb11.52-amd64":         "6.1.0-0.deb11.52-amd64 amd64",
		"linux-image-7.3-rc4-amd64":                  "7.3-rc4-amd64 amd64",
		"linux-image-amd64":                          "",
		"linux-image-cloud-amd64":                    "",
		"linux-image-6.1.0-56-amd64-unsigned":        "",
		"linux-image-6.1.0-56-amd64-dbg":             "",
		"linux-image-amd64-signed-template":          "",
		"linux-image-6.1.0-56-686-pae":               "",
		"linux-headers-6.1.0-56-amd64":               "",
		"linux-image-6.12.115+deb13.1-rt-amd64-dbgx": "",
	} {
		got := ""
		if m := imageName(build).FindStringSubmatch(name); m != nil {
			got = m[1] + " " + m[3]
		}
		if got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}

func FuzzScanIndex(f *testing.F) {
	f.Add(testSuites["bookworm-security"])
	f.Add("Package: linux-x\nVersion: 1\nSize: 1\n continued: x\n\n")
	f.Add("Package: linux-x\n\x00:\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		pkgs, err := scanIndex(strings.NewReader(text), func(name string) bool { return strings.HasPrefix(name, "linux-") })
		if err != nil {
			return
		}
		for _, p := range pkgs {
			if !strings.HasPrefix(p.Name, "linux-") || len(p.SHA256) != 64 || p.Size < 0 {
				t.Fatalf("%+v", p)
			}
			_, _ = p.relations()
		}
	})
}

// TestVersionsAreOrderedAsDpkgOrdersThem holds the library to what a kernel's versions look like.
func TestVersionsAreOrderedAsDpkgOrdersThem(t *testing.T) {
	sorted := []string{"5.10.223-1", "6.1.176-1", "6.1.192-1~deb11u1", "6.1.192-1", "6.1.192-2", "6.12.9-1", "6.12.107-1~bpo12+1", "6.12.107-1", "7.2~rc7-1~exp1", "7.2-1~exp1", "7.2.1-1", "1:1.0"}
	for i := range sorted[1:] {
		a, errA := version.Parse(sorted[i])
		b, errB := version.Parse(sorted[i+1])
		if errA != nil || errB != nil || version.Compare(a, b) >= 0 {
			t.Errorf("%s is not before %s: %v %v", sorted[i], sorted[i+1], errA, errB)
		}
	}
}
