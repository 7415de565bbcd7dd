// Package prebuilt takes modules that somebody else has built, and says of each what a kernel will do with it: it finds them in
// files and packages, reads what they ask of a kernel, holds that against the kernel's Module.symvers, vermagic and
// configuration, and chooses the one of several builds that a kernel is given.
//
// A prediction is no verdict: the kernel is asked afterwards. What is read here is a stranger's, and bounded; this package must
// never load, run or unpack to a path that a package names, nor know what a guest is.
package prebuilt

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// File is a module as it was found, unpacked.
type File struct {
	Binary
	Origin string // the file's name, or PACKAGE:PATH
	SHA256 string // of the module
}

// about is f as a record names it.
func (f File) about() results.Binary {
	return results.Binary{Module: f.Name, File: f.Origin, Release: f.Release(), SrcVersion: f.SrcVersion, SHA256: f.SHA256}
}

// Set is all that was given: modules of one or several names, each built for one or several kernels. The zero value is none.
type Set struct {
	Files []File // by module, then by the release that they were built for
	Notes []string
	given []string
}

// Names are the modules, sorted.
func (s *Set) Names() []string {
	var names []string
	for _, f := range s.Files {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Title names what was given: the module, or where there are several, the first file without what its name ends in.
func (s *Set) Title() string {
	if names := s.Names(); len(names) == 1 {
		return names[0]
	}
	name, _, _ := strings.Cut(filepath.Base(s.given[0]), "_") // NAME_VERSION_ARCH.deb
	for ext := path.Ext(name); slices.Contains([]string{".deb", ".rpm", ".tar", ".gz", ".xz", ".zst", ".tgz", ".ko"}, ext); ext = path.Ext(name) {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// Version is the MODULE_VERSION that all files share; empty where they have none, or several.
func (s *Set) Version() string {
	for _, f := range s.Files {
		if f.Version != s.Files[0].Version {
			return ""
		}
	}
	return s.Files[0].Version
}

// Digest is "sha256:…" over the modules, wherever they came from.
func (s *Set) Digest() string {
	sum := sha256.New()
	for _, f := range s.Files {
		fmt.Fprintf(sum, "%s %s %s\n", f.Name, f.Release(), f.SHA256)
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
}

// About lists the files as results name them.
func (s *Set) About() (all []results.Binary) {
	for _, f := range s.Files {
		all = append(all, f.about())
	}
	return all
}

// add takes f, unless the same module is there already; another of that name for that kernel is an error.
func (s *Set) add(f File) error {
	for _, o := range s.Files {
		switch {
		case o.Name != f.Name || o.Release() != f.Release():
		case o.SHA256 == f.SHA256:
			return nil
		default:
			return wrong(f.Origin, fmt.Sprintf("it is %s.ko for %s, and so is %s, which differs", clean(f.Name), clean(f.Release()), clean(o.Origin)), "give one of them")
		}
	}
	s.Files = append(s.Files, f)
	return nil
}

func (s *Set) sort() {
	slices.SortFunc(s.Files, func(a, b File) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), results.CompareVersions(a.Release(), b.Release()))
	})
}

// Choice is a module that a kernel is given, with what it is expected to do with it.
type Choice struct {
	File
	Prediction results.Prediction
}

// For chooses for k one build of each module, in the order of their names: the one for k's own release where there is one. Of others,
// as weak-modules does, one that k is expected to take; the newest that is no newer than k before all others, and so on down, then
// the oldest that is newer. Where none fits, the nearest is given all the same: the kernel says what it thinks of it.
func (s *Set) For(k Kernel) []Choice {
	var chosen []File
	for _, build := range s.builds(k) {
		for _, f := range build.files {
			if !slices.ContainsFunc(chosen, func(o File) bool { return o.Name == f.Name }) {
				chosen = append(chosen, f)
			}
		}
	}
	slices.SortFunc(chosen, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var all []Choice
	for _, f := range chosen {
		all = append(all, Choice{f, k.Predict(f, chosen)})
	}
	return all
}

// build is what there is for one release.
type build struct {
	release string
	files   []File
	fits    bool // no file is expected to be refused
}

// builds are those of s, the one to try first at the front.
func (s *Set) builds(k Kernel) (all []build) {
	for _, f := range s.Files {
		i := slices.IndexFunc(all, func(b build) bool { return b.release == f.Release() })
		if i < 0 {
			i, all = len(all), append(all, build{release: f.Release()})
		}
		all[i].files = append(all[i].files, f)
	}
	for i, b := range all {
		all[i].fits = !slices.ContainsFunc(b.files, func(f File) bool { return k.Predict(f, b.files).Predicted == results.Refused })
	}
	slices.SortFunc(all, func(a, b build) int {
		newer := func(b build) bool { return results.CompareVersions(b.release, k.Release) > 0 }
		nearer := results.CompareVersions(b.release, a.release)
		if newer(a) {
			nearer = -nearer
		}
		return cmp.Or(first(a.release == k.Release, b.release == k.Release), first(a.fits, b.fits), first(!newer(a), !newer(b)), nearer)
	})
	return all
}

// first puts what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
