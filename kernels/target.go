package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What each field of a Target may hold. A target may be read from a stranger's lock, and its fields become parts of paths and
// arguments of tools.
var (
	releaseField  = regexp.MustCompile(`^[0-9][0-9A-Za-z.+_~-]{0,127}$`)
	plainField    = regexp.MustCompile(`^([0-9A-Za-z][0-9A-Za-z.+_~-]{0,127})?$`)
	suiteField    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	packageName   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)         // deb-control(5), Package
	debVersion    = regexp.MustCompile(`^[0-9][0-9A-Za-z.+:~-]{0,127}$`) // deb-version(7)
	rootPackage   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(=[0-9][0-9A-Za-z.+:~-]{0,127})?$`)
	digestField   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	commitField   = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	printableName = regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`)
)

// The largest that a source writes, and some more.
const (
	maxMoreMiB = 64 << 10
	maxSlower  = 100
)

// Check refuses a target that no source of kernels would resolve a selector to. The error names the first field that is at
// fault.
func (t Target) Check() error {
	source, name := t.Origin()
	sel, err := ParseSelector(t.Source)
	switch {
	case err != nil:
		return fmt.Errorf("source: %w", err)
	case source == "debian" && (sel.String() != "debian:"+sel.Name || !suiteField.MatchString(name)):
		return fmt.Errorf("source %q is no suite of Debian", t.Source)
	case source == "host" && name != "" && !releaseField.MatchString(name):
		return fmt.Errorf("source %q is no release of this host", t.Source)
	case t.Suite != "" && !suiteField.MatchString(t.Suite):
		return fmt.Errorf("suite %q is none of Debian", t.Suite)
	case t.MoreMiB < 0 || t.MoreMiB > maxMoreMiB:
		return fmt.Errorf("more_mib %d: from 0 to %d", t.MoreMiB, maxMoreMiB)
	case t.Slower < 0 || t.Slower > maxSlower:
		return fmt.Errorf("slower %d: from 0 to %d", t.Slower, maxSlower)
	case !releaseField.MatchString(t.Release):
		return fmt.Errorf("release %q is no kernel's", t.Release)
	}
	for name, value := range map[string]string{"version": t.Version, "arch": t.Arch, "flavour": t.Flavour, "profile": t.Profile} {
		if !plainField.MatchString(value) {
			return fmt.Errorf("%s %q is no kernel's", name, value)
		}
	}
	for _, p := range t.Packages {
		if err := p.check(source); err != nil {
			return err
		}
	}
	return CheckPackageNames(t.RootPkgs)
}

// check refuses what is no file that a kernel of source is made from.
func (p Package) check(source string) error {
	digest := digestField.MatchString(p.SHA256)
	ok := false
	switch source {
	case "debian":
		ok = packageName.MatchString(p.Name) && debVersion.MatchString(p.Version) && packageName.MatchString(p.Arch) && digest
	case "git":
		ok = p.Name == "linux" && commitField.MatchString(p.Version) && (p.SHA256 == "" || digest)
	default:
		ok = printableName.MatchString(p.Name) && (p.Version == "" || printableName.MatchString(p.Version)) && plainField.MatchString(p.Arch) && digest
	}
	if !ok || p.Size < 0 {
		return fmt.Errorf("package %q %q %q with SHA-256 %q is none of a kernel", p.Name, p.Version, p.Arch, p.SHA256)
	}
	return nil
}

// CheckPackageNames refuses what apt would not take for packages of Debian, each as NAME or NAME=VERSION, but for an option or
// a file.
func CheckPackageNames(names []string) error {
	for _, name := range names {
		if !rootPackage.MatchString(name) {
			return fmt.Errorf("%q is no package of Debian", name)
		}
	}
	return nil
}

// IsSuite reports whether name can be a suite of Debian, and so a name in a folder of suites.
func IsSuite(name string) bool { return suiteField.MatchString(name) }

// localSources name files of this machine.
var localSources = []string{"dir", "git", "host", "tar"}

// Local reports whether s names kernels by where they lie on this machine, and not in an archive.
func (s Selector) Local() bool { return slices.Contains(localSources, s.Source) }

// Names reports whether t is a kernel that s could have been resolved to: of the same source, and of the suite, the release or
// the path that s names.
func (s Selector) Names(t Target) bool {
	source, name := t.Origin()
	if source != s.Source {
		return false
	}
	switch source {
	case "debian":
		return s.Name == name || s.Name == "all"
	case "host":
		return s.Name == name || s.Name == ""
	case "git":
		name = name[:max(0, strings.LastIndexByte(name, '@'))]
	}
	return absolute(s.Name) == absolute(name)
}

// absolute is a path with a home or the working folder before it.
func absolute(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
