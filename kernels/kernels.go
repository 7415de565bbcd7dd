// Package kernels knows what a kernel to validate against is: the selector that names it, the target it resolves to,
// the tree it is built and booted from, and the root its modules are compiled in; package kernels/store keeps them.
//
// How a kernel is obtained is the business of the packages below it, one for each source. This package must never
// know what is built against a tree, nor how it is booted.
package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// ErrNoMatch says that a selector is well formed and names nothing that exists.
var ErrNoMatch = errors.New("no kernel matches")

// ErrNoArch is the ErrNoMatch of a selector that names an architecture: there are kernels where it looks, and none of that.
var ErrNoArch = fmt.Errorf("%w", ErrNoMatch)

// ErrUnavailable says that a kernel exists and cannot be obtained now: no network, no headers in the archive, disk full.
// It is never the module's fault.
var ErrUnavailable = errors.New("kernel not obtainable")

// Unavailable wraps an error of a source so that nobody blames a module for it, except where the caller himself gave up.
func Unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoMatch) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Wrap is deferred by what a source offers: it says of an error what was tried, and makes it an Unavailable one.
func Wrap(ctx context.Context, err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), Unavailable(ctx, *err))
	}
}

// IncompleteError says that a kernel is known by name and that not all of it can be had: an image without headers, say.
// It is an ErrUnavailable that going online does not cure.
type IncompleteError struct {
	Release string `json:"release"` // uname -r
	Version string `json:"version"` // X.Y.Z
	Reason  string `json:"reason"`
}

func (e *IncompleteError) Error() string { return e.Reason }

// Unwrap makes it an ErrUnavailable.
func (e *IncompleteError) Unwrap() error { return ErrUnavailable }

// Target is one kernel to validate against, resolved but not yet fetched. It is plain data.
type Target struct {
	Release  string    `json:"release"`  // uname -r, e.g. 6.12.107+deb13-amd64
	Version  string    `json:"version"`  // X.Y.Z, e.g. 6.12.107
	Arch     string    `json:"arch"`     // uname -m, e.g. x86_64
	Flavour  string    `json:"flavour"`  // e.g. amd64, cloud-amd64
	Profile  string    `json:"profile"`  // config fragments beyond the flavour; empty for none
	Source   string    `json:"source"`   // the selector's source and name, e.g. debian:trixie
	Suite    string    `json:"suite"`    // the archive's suite that the root is made from; empty where there is none
	Packages []Package `json:"packages"` // what the tree is unpacked from, or the files that distinguish it from another of its release; sorted by name
	RootPkgs []string  `json:"root_packages"`
	MoreMiB  int       `json:"more_mib,omitempty"` // of memory, that its guests need beyond what other kernels' have: a sanitizer's own
	Slower   int       `json:"slower,omitempty"`   // how many times longer than in others everything takes in it; 0 is once
}

// Origin is Source in two: which of Sources the target is of, and what it is called there: a suite, a release, a path.
func (t Target) Origin() (source, name string) {
	source, name, _ = strings.Cut(t.Source, ":")
	return source, name
}

// Package is one archive file a tree is made from. It names no host.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	SHA256  string `json:"sha256"` // of the file, as the archive's signed index states it
	Size    int64  `json:"size"`   // bytes
}

// Tree is a prepared kernel: an image to boot, modules to load, headers to build against.
type Tree struct {
	Target  Target
	Dir     string         // of the tree in the store
	Image   string         // host path of the bzImage or vmlinux
	Modules string         // host path of the folder that is /lib/modules/RELEASE
	KDIR    string         // the kernel build directory, as a path inside the root
	Mounts  []Mount        // what must be mounted into the root for KDIR to be true, besides the root itself
	Root    Root           // where modules for this tree are compiled
	Config  kconfig.Config // the kernel's .config
	DotFile string         // host path of the .config
	Digest  string         // "sha256:…" of everything that matters to a build: the packages' digests

	kept *keptModules // see KeepModules; nil: nothing is kept
}

// Mount puts Host, read-only, at Guest inside the root; where Link is set, Guest is a symbolic link to it instead. Mounts are made in their
// order, after the root, which may be read-only: who makes the tree sees to it that every Guest with a Host is an empty folder.
type Mount struct {
	Host, Guest, Link string
}

// Root is the file tree in which a target's modules are built. The zero value is the host itself.
type Root struct {
	Dir      string // host path of its /
	Digest   string // "sha256:…" of what it was made from
	Compiler string // first line of the compiler's --version
	// Make is what must be passed to make there, as NAME=VALUE: which compiler, where it is not the kernel's own default.
	Make []string
}

// Scripts are those of a kernel's source, and what they read, as they lie at the top of it.
type Scripts struct {
	Dir     string // host folder, not to be written to
	Version string // of the source
}

// Resolution is what a selector names: the targets, and what a person must know about them, one line each: an older kernel
// was chosen than there is, the index is old, an archive is missing.
type Resolution struct {
	Targets []Target `json:"targets"`
	Notices []string `json:"notices,omitempty"`
	// Incomplete are kernels that were meant as well and of which not all can be had. A selector that means nothing else is
	// resolved to an error instead.
	Incomplete []*IncompleteError `json:"incomplete,omitempty"`
}

// Progress is how far one step of a fetch has come.
type Progress struct {
	What        string // the step in a few words, e.g. "download 6.12.107+deb13-amd64"
	Done, Total int64  // of Unit; Total 0 where it is not known
	Unit        string // what is counted: Bytes, or things by their name, e.g. "objects"; "" where nothing is
}

// Bytes is the unit of what is downloaded, unpacked or copied.
const Bytes = "bytes"

// What each field of a Target may hold: it may come from a stranger's lock, and becomes parts of paths and arguments of tools.
var (
	releaseField  = field{regexp.MustCompile(`^[0-9][0-9A-Za-z.+_~-]*$`), 128}
	plainField    = field{regexp.MustCompile(`^([0-9A-Za-z][0-9A-Za-z.+_~-]*)?$`), 128}
	suiteField    = field{regexp.MustCompile(`^[a-z][a-z0-9-]*$`), 64}
	packageName   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)               // deb-control(5), Package
	debVersion    = field{regexp.MustCompile(`^[0-9][0-9A-Za-z.+:~-]*$`), 128} // deb-version(7)
	digestField   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	commitField   = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	printableName = regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`)
)

// field is an expression for texts of so many bytes at most. As a repetition, {0,127}, the bound costs every process a millisecond.
type field struct {
	*regexp.Regexp
	most int
}

func (f field) MatchString(s string) bool { return len(s) <= f.most && f.Regexp.MatchString(s) }

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
	for _, text := range names {
		name, version, pinned := strings.Cut(text, "=")
		if !packageName.MatchString(name) || pinned && !debVersion.MatchString(version) {
			return fmt.Errorf("%q is no package of Debian", text)
		}
	}
	return nil
}

// IsSuite reports whether name can be a suite of Debian, and so a name in a folder of suites.
func IsSuite(name string) bool { return suiteField.MatchString(name) }

// localSources name files of this machine.
var localSources = []string{"dir", "git", Here, "host", "tar"}

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
	case Here:
		return true
	case "debian":
		return s.Name == name || s.Name == "all"
	case "host":
		return s.Name == name || s.Name == ""
	case "git":
		name = name[:max(0, strings.LastIndexByte(name, '@'))]
	}
	ours, errOurs := Absolute(s.Name)
	theirs, errTheirs := Absolute(name)
	return ours == theirs && errors.Join(errOurs, errTheirs) == nil
}

// Absolute is a selector's path with the home folder for ~, which no shell expands behind "git:", or with the working folder before it.
func Absolute(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the home folder for ~: %w; write the whole path", err)
		}
		path = filepath.Join(home, rest)
	}
	return filepath.Abs(path)
}
