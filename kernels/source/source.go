// Package source obtains kernels that are compiled here: from a git repository at some commit, or from a tarball, with the
// smallest configuration that serves, plus fragments that make faults loud.
//
// A kernel's build system is code from whoever wrote the tree: it runs in a root made for it, without network and without
// the host's files. This package must never know what is built against the kernel, nor how it is booted.
package source

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// Roots makes the root that a kernel is compiled in; package debian has one.
type Roots interface {
	Root(ctx context.Context, suite string, pkgs []string, report func(kernels.Progress)) (kernels.Root, error)
}

// Source obtains kernels from git repositories and tarballs; one value serves both words. It may be used by several
// goroutines, and several processes may share its store.
type Source struct {
	store *store.Store
	roots Roots

	profiles fs.FS // the fragments, as profiles/NAME.config
}

// New makes a source that keeps what it makes in store.
func New(st *store.Store, roots Roots) *Source { return &Source{st, roots, builtin} }

// Resolve finds what sel names: for git a commit, for several commits a range or a word as Pick has them; for tar the file.
// Errors wrap kernels.ErrNoMatch where it names nothing, and kernels.ErrUnavailable where it cannot be read.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (res kernels.Resolution, err error) {
	defer kernels.Wrap(ctx, &err, "resolve %s", sel)
	req, err := s.fragments(sel.Profiles, sel.Architecture())
	if err != nil {
		return res, err
	}
	path, err := kernels.Absolute(sel.Name)
	if err != nil {
		return res, err
	}
	var found []origin
	switch sel.Source {
	case "git":
		found, res.Notices, err = resolveGit(ctx, path, sel.Version)
	case "tar":
		found, err = s.resolveTar(ctx, path)
	default:
		err = fmt.Errorf("%w: %s: is no source of this kind", kernels.ErrNoMatch, sel.Source)
	}
	if err != nil {
		return kernels.Resolution{}, err
	}
	for _, o := range found {
		t, err := o.target(sel.Profiles, req, sel.Architecture())
		if err != nil {
			return kernels.Resolution{}, err
		}
		res.Targets = append(res.Targets, t)
	}
	return res, nil
}

// Fetch returns the tree of a target that Resolve gave; where it is not in the store, it is compiled, which takes minutes.
// report, which may be nil, hears how far that is; it is called by one goroutine at a time. Errors wrap
// kernels.ErrUnavailable, unless ctx ended: that a kernel does not compile is never the module's fault.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (_ *kernels.Tree, err error) {
	defer kernels.Wrap(ctx, &err, "fetch %s", t.Release)
	if report == nil {
		report = func(kernels.Progress) {}
	}
	o, err := originOf(t)
	if err != nil {
		return nil, err
	}
	frags, err := s.fragments(strings.FieldsFunc(t.Profile, func(r rune) bool { return r == '+' }), t.Machine())
	if err != nil {
		return nil, err
	}
	root, err := s.roots.Root(ctx, t.Suite, t.RootPkgs, report)
	if err != nil {
		return nil, fmt.Errorf("make the root to compile in: %w", err)
	}
	j := job{src: s, target: t, origin: o, root: root, config: frags, report: report}
	dir, _, err := s.store.Fill(ctx, "trees", t.Release+"-"+j.digest()[:idSize], func(dir string) error {
		return j.make(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	return j.open(dir)
}

// origin is one state of a kernel's source.
type origin struct {
	kind    string // git or tar
	path    string // of the repository or the file, absolute
	commit  string // git: the commit
	name    string // git: as it was asked for, else the tag or the short commit
	sha256  string // tar: of the file
	version version
	exact   bool // git: the commit is the tag of its version
}

type version struct {
	major, minor, patch int
	extra               string // -rc3
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// tag is what the version's tag is called: v6.12 and not v6.12.0.
func (v version) tag() string {
	if v.patch == 0 {
		return fmt.Sprintf("v%d.%d%s", v.major, v.minor, v.extra)
	}
	return "v" + v.String() + v.extra
}

var (
	makefileLine = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)[ \t]*$`)
	goodExtra    = regexp.MustCompile(`^[-.][0-9A-Za-z._-]{1,30}$`)
)

func readVersion(makefile []byte) (v version, err error) {
	words := map[string]string{}
	for _, m := range makefileLine.FindAllSubmatch(makefile, -1) {
		if _, twice := words[string(m[1])]; !twice {
			words[string(m[1])] = string(m[2])
		}
	}
	for name, into := range map[string]*int{"VERSION": &v.major, "PATCHLEVEL": &v.minor, "SUBLEVEL": &v.patch} {
		if *into, err = strconv.Atoi(words[name]); err != nil || *into < 0 || *into > 999 {
			return version{}, fmt.Errorf("its Makefile says no %s: is this a Linux kernel's source?", name)
		}
	}
	if extra := words["EXTRAVERSION"]; extra != "" && goodExtra.MatchString(extra) {
		v.extra = extra
	}
	return v, nil
}

// toolPkgs are what a kernel is compiled with, besides a compiler. With ccache a similar kernel costs a fifth.
var toolPkgs = []string{"bison", "ccache", "cpio", "flex", "libelf-dev", "libssl-dev", "python3-minimal", "zstd"}

// compilers are the suites whose compilers fit: those in use when the series came out. Newer ones refuse old kernels, older ones the newest.
var compilers = []struct {
	since version
	suite string
	gcc   string
	llvm  string // "" where that suite's LLVM does not build them as a whole
}{
	{version{6, 8, 0, ""}, "trixie", "gcc-14", "-19"},
	{version{5, 16, 0, ""}, "bookworm", "gcc-12", "-14"},
	{version{}, "bullseye", "gcc-10", ""},
}

// target is the origin as req would have it made, as plain data.
func (o origin) target(profiles []string, req request, a arch.Arch) (kernels.Target, error) {
	t := kernels.Target{
		Release: o.version.String() + o.version.extra, Version: o.version.String(), Arch: a.Name, Flavour: "minimal",
		Profile: strings.Join(profiles, "+"), MoreMiB: req.moreMiB, Slower: req.slower,
	}
	// Without a size: nothing is to be downloaded.
	pkg := kernels.Package{Name: "linux", Version: o.version.String() + o.version.extra, Arch: "source", SHA256: o.sha256}
	t.Source = "tar:" + o.path
	if o.kind == "git" {
		t.Source = "git:" + o.path + "@" + o.name
		pkg.Version = o.commit
		if !o.exact {
			t.Release += o.mark()
		}
	}
	t.Packages = []kernels.Package{pkg}
	suite, pkgs, err := o.version.compiler(req.clang, a)
	t.Suite, t.RootPkgs = suite, append(pkgs, toolPkgs...)
	return t, err
}

// markSize is how many digits of a commit or a digest a release has.
const markSize = 12

// mark is what the release of a commit that is no version's tag ends with, and that of a kernel that another one has the release of.
func (o origin) mark() string {
	if o.kind == "git" {
		return "-g" + o.commit[:markSize]
	}
	return "-t" + o.sha256[:markSize]
}

func (o origin) suffix(release string) string {
	if strings.HasSuffix(release, o.mark()) {
		return o.mark()
	}
	return ""
}

// Renamed returns t, a target of Resolve, with the release that it has where another kernel of its version is in the same matrix: one
// that holds a mark of its source. It is false for what is no such target, and for what has the mark already.
func (s *Source) Renamed(t kernels.Target) (kernels.Target, bool) {
	o, err := originOf(t)
	if err != nil || o.suffix(t.Release) != "" {
		return t, false
	}
	t.Release += o.mark()
	return t, true
}

// compiler is the suite whose compiler fits, and the packages that bring it.
func (v version) compiler(clang bool, a arch.Arch) (suite string, pkgs []string, err error) {
	for _, c := range compilers {
		switch {
		case v.before(c.since):
		case !clang:
			return c.suite, kernels.CompilerPackages(c.gcc, a), nil
		case c.llvm == "":
			return "", nil, fmt.Errorf("%w: %s is too old to be compiled with LLVM here; compile it yourself, with make LLVM=1, and name its folder as dir:PATH", kernels.ErrNoMatch, v)
		default:
			return c.suite, []string{"clang" + c.llvm, "lld" + c.llvm, "llvm" + c.llvm}, nil
		}
	}
	return "", nil, fmt.Errorf("%w: no compiler is known for %s", kernels.ErrNoMatch, v)
}

// toolsOf is what is passed to make about the machine and the compiler that target's root holds: nothing for gcc, which is there by its
// plain name.
func toolsOf(t kernels.Target) []string {
	args := kernels.Cross(t.Machine())
	for _, pkg := range t.RootPkgs {
		if suffix, ok := strings.CutPrefix(pkg, "clang-"); ok {
			return slices.Concat(args, kernels.LLVM("-"+suffix), []string{"LLVM_IAS=1"})
		}
	}
	return args
}

func (v version) before(o version) bool {
	return slices.Compare([]int{v.major, v.minor, v.patch}, []int{o.major, o.minor, o.patch}) < 0
}

func originOf(t kernels.Target) (o origin, err error) {
	kind, rest := t.Origin()
	o = origin{kind: kind, path: rest}
	if len(t.Packages) != 1 || t.Packages[0].Name != "linux" || kind != "git" && kind != "tar" {
		return o, errors.New(t.Source + " is no target of this source")
	}
	o.sha256 = t.Packages[0].SHA256
	if kind == "git" {
		at := strings.LastIndexByte(rest, '@')
		o.path, o.name, o.commit = rest[:max(at, 0)], rest[at+1:], t.Packages[0].Version
	}
	if len(o.commit+o.sha256) < markSize {
		return o, errors.New(t.Source + " says not of which commit, or of which file, it is")
	}
	return o, nil
}

func (o origin) id() string { return o.kind + ":" + o.commit + o.sha256 }
