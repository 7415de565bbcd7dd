// Package dkms takes a module in the shape that the world ships modules in, DKMS packages, and has it built as `dkms build`
// would on a machine that runs the kernel: it opens the package, evaluates its dkms.conf for a target, decides whether the
// package wants that target at all, and turns what it says into a recipe for kernels/kbuild.
//
// What is reproduced is dkms 3.2.2, quirks included: whoever ships a module has tested it with these. What a machine's owner
// adds in /etc/dkms is no part of a package. This package must never know what becomes of the modules, nor install anything.
package dkms

import (
	"fmt"
	"path"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// The folders that dkms works in (dkms.8, framework.conf). Packages name them literally, so they are true in the sandbox.
const (
	dkmsTree    = "/var/lib/dkms"
	sourceTree  = "/usr/src"
	installTree = "/lib/modules"
)

// ConfName is the file that makes a folder a DKMS package.
const ConfName = "dkms.conf"

// Kind is what a package was made from.
type Kind string

// The kinds of package that Open knows.
const (
	Folder  Kind = "folder"
	Deb     Kind = "deb"          // a -dkms package of Debian
	Tarball Kind = "tarball"      // any archive with a source in it
	Archive Kind = "dkms archive" // what `dkms mktarball` makes
	Git     Kind = "git"          // a revision of a repository
)

// Package is a module's source as it was found. The zero value is none. It may be used for several targets at once.
type Package struct {
	Kind     Kind
	Source   string // host folder with the source; in place for a Folder, else below the work folder given to Open
	HasConf  bool   // Source has a dkms.conf; else it is a Kbuild folder, and kernels/kbuild builds it alone
	Name     string // as dkms knows it: PACKAGE_NAME; empty where only evaluating dkms.conf shows
	Version  string // PACKAGE_VERSION, likewise
	Revision string // of a Git: the commit
	Notes    []string
	Needs    []string // what the package of Debian depends on besides dkms and kernels, one relation each, as deb-control(5) has them

	work   string // where it may put what it needs for a moment
	holder string // the name that stands for the version in dkms.conf until the package is made, e.g. #MODULE_VERSION#
}

// plain are the names and versions that can stand in a path which make and a shell will read.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+~:@-]*$`)

// placeholder is what dh_dkms and autotools replace in a dkms.conf when they make a package of it.
var placeholder = regexp.MustCompile(`^(?:#MODULE_VERSION#|@[A-Za-z_]+@|__[A-Z_]+__|#[A-Z_]+#)$`)

// source is where dkms keeps the package's source in the sandbox, and build, where it builds it.
func (p *Package) source() string { return path.Join(sourceTree, p.Name+"-"+p.Version) }
func (p *Package) build() string  { return path.Join(dkmsTree, p.Name, p.Version, "build") }

// Digest is "sha256:…" over what a build of the package depends on: paths, contents, link targets and whether a file may be
// executed, less the names in exclude at the top. An error is as kbuild.SourceDigest has it.
func (p *Package) Digest(exclude []string) (string, error) {
	if p.HasConf {
		return kbuild.PackageDigest(p.Source, exclude)
	}
	return kbuild.SourceDigest(p.Source, exclude)
}

// SkipError says that a package does not want to be built for a target, by its own word. dkms ends with exit code 77 there.
type SkipError struct {
	Condition string // one line: the directive, its value, and how the target fails it
}

// Error is the condition.
func (e *SkipError) Error() string { return "excluded: " + e.Condition }

// checkName refuses names that cannot be part of a path to build in.
func checkName(directive, name string) error {
	if !plain.MatchString(name) || len(name) > 128 {
		return fmt.Errorf("%s is %q: dkms cannot build in a folder of that name", directive, name)
	}
	return nil
}
