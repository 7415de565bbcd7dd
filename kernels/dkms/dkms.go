// Package dkms takes a module in the shape that the world ships modules in, DKMS packages, and has it built as `dkms build`
// would on a machine that runs the kernel: it opens the package, evaluates its dkms.conf for a target, decides whether the
// package wants that target at all, and turns what it says into a recipe for kernels/kbuild.
//
// What is reproduced is dkms 3.2.2, quirks included: whoever ships a module has tested it with these. What a machine's owner
// adds in /etc/dkms is no part of a package. This package must never know what becomes of the modules, nor install anything.
package dkms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
	Source   string        // host folder with the source; in place for a Folder, else below the work folder given to Open
	Files    kbuild.Source // what a build copies; Source alone until Gather finds what else belongs to it
	HasConf  bool          // Source has a dkms.conf; else it is a Kbuild folder, and kernels/kbuild builds it alone
	Name     string        // as dkms knows it: PACKAGE_NAME; empty where only evaluating dkms.conf shows
	Version  string        // PACKAGE_VERSION, likewise
	Revision string        // of a Git: the commit
	Notes    []string
	Needs    []string // what the package of Debian depends on besides dkms and kernels, one relation each, as deb-control(5) has them

	work     string    // where it may put what it needs for a moment
	unpacked string    // the folder that an archive or a revision was unpacked in
	checkout *checkout // of a Git
	made     string    // the folder of what Gather made
	gitDir   string    // what covers the .git of a dkms.conf's folder while that is evaluated; empty: there is none
	holder   string    // the name that stands for the version in dkms.conf until the package is made, e.g. #MODULE_VERSION#
}

// plain are the names and versions that can stand in a path which make and a shell will read.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+~:@-]*$`)

// placeholder is what dh_dkms and autotools replace in a dkms.conf when they make a package of it.
var placeholder = regexp.MustCompile(`^(?:#MODULE_VERSION#|@[A-Za-z_]+@|__[A-Z_]+|%[A-Z_]+%|#[A-Z_]+#)$`)

// source is where dkms keeps the package's source in the sandbox, and build, where it builds it.
func (p *Package) source() string { return path.Join(sourceTree, p.Name+"-"+p.Version) }
func (p *Package) build() string  { return path.Join(dkmsTree, p.Name, p.Version, "build") }

// SkipError says that a package does not want to be built for a target, by its own word. dkms ends with exit code 77 there.
type SkipError struct {
	Condition string // one line: the directive, its value, and how the target fails it
}

// Error is the condition.
func (e *SkipError) Error() string { return "excluded: " + e.Condition }

func checkName(directive, name string) error {
	if !plain.MatchString(name) || len(name) > 128 {
		return fmt.Errorf("%s is %q: dkms cannot build in a folder of that name", directive, name)
	}
	return nil
}

// maxDepth is how many folders deep a source may lie in an archive.
const maxDepth = 4

// Open finds the module's source at path: a folder, with a dkms.conf or with Kbuild files alone; a -dkms .deb; an archive that
// `dkms mktarball` made; any other tarball; or PATH@REV, a revision of a git repository that is a folder or a URL. What has to
// be unpacked is unpacked below work, a folder of the caller's to keep as long as the package and to remove after.
//
// A *kbuild.SourceError says what is wrong with what was given, and the cure. Nothing in path is run.
func Open(ctx context.Context, path, work string) (*Package, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if repository, rev, ok := gitName(path); ok {
			return openGit(ctx, repository, rev, work)
		}
		return nil, &kbuild.SourceError{Path: path, Problem: "no such file or folder", Cure: "give a folder, a -dkms .deb, a tarball or REPOSITORY@REVISION"}
	}
	if err != nil {
		return nil, fmt.Errorf("open module: %w", err)
	}
	p := &Package{Kind: Folder}
	switch {
	case info.IsDir():
		if p.Source, err = filepath.Abs(path); err != nil {
			return nil, err
		}
	case !info.Mode().IsRegular():
		return nil, &kbuild.SourceError{Path: path, Problem: "neither a file nor a folder", Cure: "give a folder, a -dkms .deb or a tarball"}
	default:
		if p, err = openArchive(ctx, path, work); err != nil {
			return nil, err
		}
	}
	return p.look(path, work)
}

// look learns what the source that was found is, and refuses what holds no module. Errors name what was given.
func (p *Package) look(given, work string) (*Package, error) {
	p.work, p.Files = work, kbuild.Source{Top: p.Source}
	err := p.identify()
	if err == nil && p.Kind != Deb {
		err = p.learnNeeds()
	}
	if err != nil {
		return nil, err
	}
	if p.HasConf {
		return p, nil
	}
	err = kbuild.CheckSource(p.Source)
	if wrong := (*kbuild.SourceError)(nil); errors.As(err, &wrong) {
		return p.lookBelow(given, work, wrong)
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// lookBelow looks for a package in a folder of a source that is none itself. In an archive, whose folders nobody can name, the only one that has
// what builds it beside its dkms.conf is taken, and said to be; else where they are is part of the error.
func (p *Package) lookBelow(given, work string, wrong *kbuild.SourceError) (*Package, error) {
	var whole []string
	for _, conf := range findConfs(p.Source) {
		if folder := path.Dir(conf); kbuild.HasMakefile(filepath.Join(p.Source, folder)) {
			whole = append(whole, folder)
		}
	}
	if p.Kind == Tarball && len(whole) == 1 && (wrong.Below == "" || wrong.Below == whole[0]) {
		p.Source = filepath.Join(p.Source, whole[0])
		p.Notes = append(p.Notes, fmt.Sprintf("the package in the folder %s is taken: no other of the archive has %s and a Makefile", clean(whole[0]), ConfName))
		return p.look(given, work)
	}
	if wrong.Below != "" && !slices.Contains(whole, wrong.Below) {
		whole = append(whole, wrong.Below)
	}
	return nil, p.notThere(given, whole, wrong)
}

// notThere is the error of a source whose packages, if any, lie in folders below it.
func (p *Package) notThere(given string, folders []string, wrong *kbuild.SourceError) error {
	for i, folder := range folders {
		if p.Kind == Folder {
			folders[i] = filepath.Join(p.Source, folder)
		}
		if repository, rev, _ := gitName(given); p.Kind == Git && !isURL(repository) {
			folders[i] = path.Join(repository, folder) + "@" + rev
		}
		folders[i] = clean(folders[i])
	}
	these := strings.Join(folders[:min(len(folders), maxNamed)], " or ")
	archived := p.Kind != Folder
	switch {
	case !archived && len(folders) > 0:
		wrong.Cure = "did you mean " + these + "?"
	case archived && len(folders) == 0:
		return hostile(given, "holds no "+ConfName+", and "+wrong.Problem)
	case p.Kind == Git && isURL(given):
		return &kbuild.SourceError{Path: given, Problem: wrong.Problem, Cure: "clone it and give its folder " + these}
	case p.Kind == Git:
		return &kbuild.SourceError{Path: given, Problem: wrong.Problem, Cure: "did you mean " + these + "?"}
	case archived:
		return &kbuild.SourceError{Path: given, Problem: "holds no module at its top: " + wrong.Problem, Cure: "unpack it and give its folder " + these}
	}
	return wrong
}

// maxNamed is how many folders an error names.
const maxNamed = 4

func openArchive(ctx context.Context, path, work string) (*Package, error) {
	to := filepath.Join(work, "source")
	if err := os.Mkdir(to, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for source: %w", err)
	}
	if strings.HasSuffix(path, ".deb") {
		notes, err := unpackDeb(ctx, path, to)
		if err != nil {
			return nil, err
		}
		p, err := findInDeb(path, to)
		if err == nil {
			p.Notes = notes
			p.Needs, err = debNeeds(ctx, path)
		}
		return p, err
	}
	notes, err := unpackArchive(ctx, path, to)
	if err != nil {
		return nil, err
	}
	p, err := findInTarball(path, to)
	if err == nil {
		p.Notes, p.unpacked = notes, to
	}
	return p, err
}

func findInDeb(given, dir string) (*Package, error) {
	confs, err := filepath.Glob(filepath.Join(dir, "usr/src/*", ConfName))
	if err != nil {
		return nil, err
	}
	switch len(confs) {
	case 0:
		return nil, &kbuild.SourceError{Path: given, Problem: "holds no /usr/src/NAME-VERSION/" + ConfName, Cure: "give a package whose name ends in -dkms"}
	case 1:
		return &Package{Kind: Deb, Source: filepath.Dir(confs[0]), unpacked: dir}, nil
	}
	var names []string
	for _, conf := range confs {
		names = append(names, filepath.Base(filepath.Dir(conf)))
	}
	return nil, &kbuild.SourceError{Path: given, Problem: "holds " + strings.Join(names, " and "), Cure: "unpack it and give one of their folders"}
}

// findInTarball finds the source in an unpacked archive: where `dkms mktarball` puts it, else the folder that everything lies in.
func findInTarball(given, dir string) (*Package, error) {
	if _, err := os.Stat(filepath.Join(dir, "dkms_source_tree", ConfName)); err == nil {
		return &Package{Kind: Archive, Source: filepath.Join(dir, "dkms_source_tree")}, nil
	}
	for _, name := range []string{"dkms_main_tree", "dkms_binaries_only"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil, &kbuild.SourceError{Path: given, Problem: "is a dkms archive without source", Cure: "make it anew without --binaries-only"}
		}
	}
	for range maxDepth {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || !entries[0].IsDir() {
			break
		}
		dir = filepath.Join(dir, entries[0].Name())
	}
	return &Package{Kind: Tarball, Source: dir}, nil
}

// findConfs are the dkms.conf below dir, the topmost first. What cannot be read holds none that could be built.
func findConfs(dir string) (confs []string) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && strings.Count(name, "/") >= maxDepth:
			return fs.SkipDir
		case d.Name() == ConfName && d.Type().IsRegular():
			confs = append(confs, name)
		}
		return nil
	})
	slices.SortStableFunc(confs, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return confs
}
