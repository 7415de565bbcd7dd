// Package packaging makes packages of a module's source, as its users install one: a -dkms package of Debian, an archive for `dkms ldtarball`,
// a source package of RPM. They declare the kernels on which results say that the module works, and no others.
//
// Whatever obeys the source runs in the sandbox. This package must never know how a root comes about, nor how kernels were validated.
package packaging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// Kind is what kind of package is made.
type Kind string

// The kinds.
const (
	Deb Kind = "deb" // a -dkms package of Debian, made by debhelper
	Tar Kind = "tar" // what `dkms mktarball --source-only` makes
	RPM Kind = "rpm" // a source package with a spec of a kmod
)

// Suite is the release of Debian whose tools make packages.
const Suite = "trixie"

// Needs are the packages of Debian that make a package of a kind, besides those in every root.
func (k Kind) Needs() []string {
	return map[Kind][]string{Deb: {"debhelper", "dh-dkms", "dpkg-dev"}, RPM: {"rpm"}}[k]
}

// Request says what package to make. It is plain data but for Log.
type Request struct {
	Kind       Kind
	Package    *dkms.Package                               // whose files were gathered
	Title      string                                      // what the module is called where its source does not say it
	Results    *results.Results                            // what was measured; nil: nothing, and no range is declared
	Version    string                                      // empty: as the source has it
	Maintainer string                                      // "Name <mail>"; not needed for a Tar
	Time       time.Time                                   // that stands for every time in the package
	Tool       string                                      // who made it, with a version
	Root       func(context.Context) (kernels.Root, error) // makes one with what Kind needs; not called for a Tar
	Work       string                                      // an empty host folder; the caller's to remove
	Out        string                                      // the host folder that the package is put into
	Log        io.Writer                                   // what the tools say
}

// Made is a package that was made.
type Made struct {
	Kind    Kind     `json:"kind"`
	File    string   `json:"file"`
	SHA256  string   `json:"sha256"`
	Name    string   `json:"name"`    // of the module's package, as dkms knows it
	Version string   `json:"version"` // likewise
	Kernels Range    `json:"kernels"`
	Notes   []string `json:"notes,omitempty"` // what a person should know, one line each
}

// content is what goes into a package.
type content struct {
	Made
	facts
	dir string // the host folder that holds the source, with its dkms.conf
	r   Request
}

// Make makes the package. A *kbuild.SourceError or a *MissingError is the user's to mend; any other error is none of the source's fault.
func Make(ctx context.Context, r Request) (Made, error) {
	c, err := r.collect(ctx)
	if err != nil {
		return Made{}, err
	}
	write := map[Kind]func(context.Context, *content) (string, error){Deb: writeDeb, Tar: writeTar, RPM: writeRPM}[r.Kind]
	file, err := write(ctx, c)
	if err != nil {
		return Made{}, fmt.Errorf("make %s of %s %s: %w", r.Kind, c.Name, c.Version, err)
	}
	if c.SHA256, err = kernels.FileSHA256(file); err != nil {
		return Made{}, fmt.Errorf("read package: %w", err)
	}
	c.File = filepath.Join(r.Out, filepath.Base(file))
	if err := put(file, c.File); err != nil {
		return Made{}, fmt.Errorf("write %s: %w", c.File, err)
	}
	return c.Made, nil
}

// put copies a file to its place, all of it or nothing.
func put(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o644), renameio.WithTempDir(filepath.Dir(to)))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.CloseAtomicallyReplace()
}

// MissingError says what a package needs that nobody gave.
type MissingError struct{ What, Cure string }

// Error is one line with the cure.
func (e *MissingError) Error() string { return e.What + ": " + e.Cure }

// apart are files of version control: no part of a package.
var apart = []string{".git", ".gitignore", ".gitattributes", ".gitmodules", ".github", ".gitlab-ci.yml"}

// collect copies the source, and learns from it what it can.
func (r Request) collect(ctx context.Context) (*content, error) {
	c := &content{Made: Made{Kind: r.Kind}, dir: filepath.Join(r.Work, "source"), r: r}
	files := r.Package.Files
	if files.Folder != "" {
		return nil, &kbuild.SourceError{Path: r.Package.Source, Problem: "refers to files beside its folder, and a package holds one folder", Cure: "put a copy of them into it, or give the folder that holds both"}
	}
	files.Git, files.Omit = nil, slices.Concat(files.Omit, apart)
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := files.Copy(ctx, c.dir); err != nil {
		return nil, err
	}
	var err error
	if c.facts, err = readFacts(c.dir); err != nil {
		return nil, err
	}
	if err := c.identify(); err != nil {
		return nil, err
	}
	if r.Results != nil {
		if c.Kernels, err = Measured(r.Results); err != nil {
			return nil, &MissingError{err.Error(), "mend the module, or give no results, for a package that declares nothing"}
		}
		c.Notes = append(c.Notes, c.Kernels.Notes...)
	}
	return c, r.writeConf(c, c.dir)
}

// named are names and versions that can stand in a path which make, a shell and rpm will read.
var named = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)

// maintainer is how a package names one.
var maintainer = regexp.MustCompile(`^[^<>"%$\\{}\x00-\x1f\x7f]+ <[^<>@"%$\\{}\s]+@[^<>@"%$\\{}\s]+>$`)

const maxName = 100 // bytes

// identify settles name, version, licence, description and maintainer.
func (c *content) identify() error {
	p := c.r.Package
	c.Name, c.Version = p.Name, cmp.Or(c.r.Version, p.Version, c.SourceVersion)
	if !p.HasConf {
		c.Name = c.ownName()
	}
	if p.Version == "0" { // it stands for one that is filled in
		c.Version = cmp.Or(c.r.Version, c.SourceVersion, p.Version)
	}
	switch {
	case p.HasConf && (c.Name == "" || c.Version == ""):
		return &kbuild.SourceError{Path: filepath.Join(p.Source, dkms.ConfName), Problem: "says not in plain text what it is called, or in which version", Cure: "packages are named by it: write PACKAGE_NAME and PACKAGE_VERSION as text"}
	case c.Version == "":
		return &MissingError{"the source has no MODULE_VERSION, and a package has a version", "--package-version VERSION"}
	case !named.MatchString(c.Name) || len(c.Name) > maxName:
		return &MissingError{fmt.Sprintf("a package cannot be called %q", results.Plain(c.Name)), "name it by PACKAGE_NAME in " + dkms.ConfName + ", with letters, digits and . _ + ~ -"}
	case !named.MatchString(c.Version) || len(c.Version) > maxName:
		return &MissingError{fmt.Sprintf("%q cannot be the version of a package", results.Plain(c.Version)), "use letters, digits and . _ + ~ -"}
	case c.r.Kind == Tar:
	case c.r.Maintainer == "":
		return &MissingError{"nobody is named as the maintainer of the package", "--maintainer 'Name <mail>', or DEBFULLNAME and DEBEMAIL, or user.name and user.email of git"}
	case !maintainer.MatchString(c.r.Maintainer):
		return &MissingError{fmt.Sprintf("%q is no maintainer", results.Plain(c.r.Maintainer)), "write it as 'Name <mail>'"}
	}
	if c.Licence == "" {
		return &MissingError{"the source says not in plain text how it is licensed", "put MODULE_LICENSE(\"…\") into one of its files in C, and SPDX-License-Identifier into its first line"}
	}
	c.Description = cmp.Or(c.Description, "kernel module "+c.Name)
	return nil
}

// ownName is the name of a package whose module has no dkms.conf: that of its only module, else what the source is called.
func (c *content) ownName() string {
	if files, err := kbuild.DeclaredFiles(c.dir); err == nil && len(files) == 1 {
		return kernels.ModuleName(files[0])
	}
	return c.r.Title
}

// built are the modules that runs of the results loaded or tried to; nothing is known without.
func (r Request) built() (names []string) {
	if r.Results == nil {
		return nil
	}
	for _, rec := range r.Results.Records {
		names = append(names, rec.Loaded...)
		for _, a := range rec.Absent {
			names = append(names, a.Module)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// tool runs a command that makes a package, in the root and without network. It works in the folder dir, which it sees as /build.
func (c *content) tool(ctx context.Context, dir string, command ...string) error {
	root, err := c.r.Root(ctx)
	if err != nil {
		return err
	}
	var said tail
	box := sandbox.Box{Root: root, Dir: dir, Env: [][2]string{{"SOURCE_DATE_EPOCH", fmt.Sprint(c.r.Time.Unix())}, {"DEB_BUILD_OPTIONS", "nocheck"}, {"TERM", "dumb"}}}
	out := io.Writer(&said)
	if c.r.Log != nil {
		out = io.MultiWriter(&said, c.r.Log)
	}
	exit, err := box.Run(ctx, out, command...)
	if err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("%s ended with %d: %s", command[0], exit, said.last())
	}
	return nil
}

// made is the only file in dir that matches pattern.
func made(dir, pattern string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("%d files %s came out", len(files), pattern)
	}
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(files[0]); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s is no file", filepath.Base(files[0])))
	}
	return files[0], nil
}

const maxTail = 8 << 10 // bytes of what a tool said that an error is made of

// tail keeps the end of what is said.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = slices.Clone(t.kept[max(0, len(t.kept)-maxTail):])
	return len(p), nil
}

// last is the last complaint, else the last line.
func (t *tail) last() string {
	said := ""
	for line := range strings.Lines(string(t.kept)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if complaint.MatchString(line) || !complaint.MatchString(said) {
			said = line
		}
	}
	return results.Plain(said[:min(len(said), maxFact)])
}

var complaint = regexp.MustCompile(`(?i)\berror\b|\bfatal\b|not found`)
