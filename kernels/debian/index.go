package debian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

type pkg struct {
	kernels.Package
	version        version.Version
	depends, suite string
	list           string // the architecture whose index has it
}

// list is the index of one suite: a file that apt has checked.
type list struct {
	suite    string // as the archive's sources name it
	arch     string // Debian's word
	codename string
	path     string
}

func (st *state) targets(ctx context.Context) ([]list, error) {
	out, err := st.apt(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(ARCHITECTURE) $(CODENAME) $(FILENAME)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	var lists []list
	for text := range strings.Lines(out) {
		words := strings.SplitN(strings.TrimSpace(text), " ", 4)
		if len(words) == 4 {
			lists = append(lists, list{words[0], words[1], words[2], words[3]})
		}
	}
	return lists, nil
}

// withLists calls do with the indices of the suite, all that were read when the stamp was set; they stay as they are meanwhile.
func (st *state) withLists(ctx context.Context, do func([]list) error) error {
	unlock, err := st.lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	lists, err := st.targets(ctx)
	if err != nil {
		return err
	}
	for _, want := range st.stamp().Lines {
		if !slices.ContainsFunc(lists, func(l list) bool { return l.suite == want }) {
			return fmt.Errorf("the index of %s is gone from %s: delete that folder", want, st.dir)
		}
	}
	return do(lists)
}

// packages returns what the suite's index says of those that wanted asks for.
func (st *state) packages(ctx context.Context, wanted func(name string) bool) (ix index, err error) {
	err = st.withLists(ctx, func(lists []list) error {
		ix, err = readIndex(lists, wanted)
		return err
	})
	return ix, err
}

// index holds packages by name, the newest version first.
type index map[string][]pkg

func readIndex(lists []list, wanted func(name string) bool) (index, error) {
	found := index{}
	for _, l := range lists {
		f, err := os.Open(l.path)
		if err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		pkgs, err := scanIndex(f, wanted)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", l.suite, err)
		}
		for _, p := range pkgs {
			p.suite, p.list = l.suite, l.arch
			found[p.Name] = append(found[p.Name], p)
		}
	}
	for _, versions := range found {
		slices.SortStableFunc(versions, func(a, b pkg) int { return version.Compare(b.version, a.version) })
	}
	return found, nil
}

// scanIndex reads a Packages file (deb822(5)). Of paragraphs that are not wanted it reads no more than the name, which comes first.
func scanIndex(r io.Reader, wanted func(name string) bool) ([]pkg, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 64<<10), 4<<20)
	var paragraphs []map[string]string
	take := false
	for scan.Scan() {
		text := scan.Bytes()
		if name, ok := bytes.CutPrefix(text, []byte("Package: ")); ok {
			if take = wanted(string(bytes.TrimSpace(name))); take {
				paragraphs = append(paragraphs, map[string]string{})
			}
		}
		if key, value, ok := bytes.Cut(text, []byte(":")); take && ok && text[0] != ' ' && text[0] != '\t' {
			paragraphs[len(paragraphs)-1][string(key)] = string(bytes.TrimSpace(value))
		}
	}
	pkgs, err := make([]pkg, len(paragraphs)), scan.Err()
	for i, fields := range paragraphs {
		if err == nil {
			pkgs[i], err = newPkg(fields)
		}
	}
	return pkgs, err
}

func newPkg(fields map[string]string) (pkg, error) {
	p := pkg{Package: kernels.Package{Name: fields["Package"], Arch: fields["Architecture"], SHA256: fields["SHA256"]}, depends: fields["Depends"]}
	var err error
	if p.version, err = version.Parse(fields["Version"]); err != nil {
		return p, fmt.Errorf("package %s: %w", p.Name, err)
	}
	p.Version = p.version.String()
	p.Size, err = strconv.ParseInt(fields["Size"], 10, 64)
	if err != nil || p.Size < 0 {
		return p, fmt.Errorf("package %s: size %q is no number of bytes", p.Name, fields["Size"])
	}
	if len(p.SHA256) != 64 || strings.Trim(p.SHA256, "0123456789abcdef") != "" {
		return p, fmt.Errorf("package %s: the index states no SHA256", p.Name)
	}
	return p, nil
}

// relations are the package's dependencies: for each one, the alternatives.
func (p pkg) relations() ([]dependency.Relation, error) {
	if p.depends == "" {
		return nil, nil
	}
	d, err := dependency.Parse(p.depends)
	if err != nil {
		return nil, fmt.Errorf("dependencies of %s: %w", p.Name, err)
	}
	return d.Relations, nil
}

var errAbsent = errors.New("not in the archive")

// pick returns the newest package that one alternative of rel allows, the first alternative that allows any.
func (ix index) pick(rel dependency.Relation) (pkg, error) {
	for _, alternative := range rel.Possibilities {
		for _, p := range ix[alternative.Name] {
			if alternative.Version == nil || alternative.Version.SatisfiedBy(p.version) {
				return p, nil
			}
		}
	}
	return pkg{}, fmt.Errorf("%s: %w", rel.String(), errAbsent)
}

// Deb is one package of the archive, in the store as it was checked against the signed index.
type Deb struct {
	kernels.Package
	File string // host path of the .deb
	Dir  string // host folder with what the package would put below /; nothing of it was run
}

// the files of an entry.
const (
	debFile = "package.deb"
	debDir  = "files"
)

// Deb obtains the newest version that suite has of the package called name, by itself: what it depends on is the caller's
// business. Errors wrap kernels.ErrNoMatch where the suite has none, and kernels.ErrUnavailable where it cannot be had.
func (s *Source) Deb(ctx context.Context, suite, name string) (_ *Deb, err error) {
	defer kernels.Wrap(ctx, &err, "fetch package %q of %q", name, suite)
	if err := errors.Join(checkSuite(suite), kernels.CheckPackageNames([]string{name})); err != nil {
		return nil, err
	}
	return s.deb(ctx, s.state(suite, build), name)
}

// Firmware is Deb of a package that may be in the components for firmware, which are read for nothing else: Debian keeps there what comes
// without its source. The folder is that of the files, as modules ask for them.
func (s *Source) Firmware(ctx context.Context, suite, name string) (dir, digest string, err error) {
	defer kernels.Wrap(ctx, &err, "fetch firmware %q of %q", name, suite)
	if err := errors.Join(checkSuite(suite), kernels.CheckPackageNames([]string{name})); err != nil {
		return "", "", err
	}
	st := s.state(suite, build)
	st.dir += "+firmware"
	st.suite.name += "+firmware"
	for i := range st.suite.lines {
		st.suite.lines[i].more = " non-free-firmware non-free" // the one since bookworm, the other before
	}
	d, err := s.deb(ctx, st, name)
	if err != nil {
		return "", "", err
	}
	for _, place := range []string{"usr/lib/firmware", "lib/firmware"} {
		if dir := filepath.Join(d.Dir, place); isDir(dir) {
			return dir, "sha256:" + d.SHA256, nil
		}
	}
	return "", "", fmt.Errorf("%w: the package brings no firmware", kernels.ErrNoMatch)
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

func (s *Source) deb(ctx context.Context, st *state, name string) (*Deb, error) {
	if _, err := st.ensure(ctx, maxAge); err != nil {
		return nil, err
	}
	p, err := st.newest(ctx, name)
	if err != nil {
		return nil, err
	}
	dir, _, err := s.store.Fill(ctx, "debs", p.SHA256, func(dir string) error {
		if s.cfg.Offline {
			return errors.New("it is not in the store, and the network is not to be used")
		}
		return st.makeDeb(ctx, dir, p)
	})
	if err != nil {
		return nil, err
	}
	return &Deb{p, filepath.Join(dir, debFile), filepath.Join(dir, debDir)}, nil
}

func (st *state) newest(ctx context.Context, name string) (kernels.Package, error) {
	ix, err := st.packages(ctx, func(n string) bool { return n == name })
	if err != nil {
		return kernels.Package{}, err
	}
	if len(ix[name]) == 0 {
		return kernels.Package{}, fmt.Errorf("%w: %s has no package %s in main%s", kernels.ErrNoMatch, st.suite.name, name, st.suite.lines[0].more)
	}
	return ix[name][0].Package, nil
}

func (st *state) makeDeb(ctx context.Context, dir string, p kernels.Package) error {
	title := strings.Join([]string{p.Name, p.Version, p.Arch}, " ")
	files, err := st.download(ctx, "debs", p.SHA256, title, []kernels.Package{p}, func(kernels.Progress) {})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, debFile)
	if err := os.Rename(files[0], file); err != nil {
		return err
	}
	if err := unpack(ctx, file, filepath.Join(dir, debDir), p); err != nil {
		return err
	}
	return store.SetTitle(dir, title)
}
