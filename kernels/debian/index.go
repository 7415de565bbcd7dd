package debian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

type pkg struct {
	name, arch, sha256 string
	version            version.Version
	size               int64
	depends            string
	suite              string
}

// asPackage is p as a target and a lock file have it.
func (p pkg) asPackage() kernels.Package {
	return kernels.Package{Name: p.name, Version: p.version.String(), Arch: p.arch, SHA256: p.sha256, Size: p.size}
}

// list is the index of one suite: a file that apt has checked.
type list struct {
	suite    string // as the archive's sources name it
	codename string
	path     string
}

func (st *state) targets(ctx context.Context) ([]list, error) {
	out, err := st.apt(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(CODENAME) $(FILENAME)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	var lists []list
	for text := range strings.Lines(out) {
		words := strings.SplitN(strings.TrimSpace(text), " ", 3)
		if len(words) == 3 {
			lists = append(lists, list{words[0], words[1], words[2]})
		}
	}
	return lists, nil
}

// lists returns the indices of the suite, all that were read when the stamp was set.
func (st *state) lists(ctx context.Context) ([]list, error) {
	lists, err := st.targets(ctx)
	if err != nil {
		return nil, err
	}
	for _, want := range st.stamp().Lines {
		if !slices.ContainsFunc(lists, func(l list) bool { return l.suite == want }) {
			return nil, fmt.Errorf("the index of %s is gone from %s: delete that folder", want, st.dir)
		}
	}
	return lists, nil
}

// packages returns what the suite's index says of those that wanted asks for.
func (st *state) packages(ctx context.Context, wanted func(name string) bool) (index, error) {
	unlock, err := st.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer unlock()
	lists, err := st.lists(ctx)
	if err != nil {
		return nil, err
	}
	return readIndex(lists, wanted)
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
			p.suite = l.suite
			found[p.name] = append(found[p.name], p)
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
	p := pkg{name: fields["Package"], arch: fields["Architecture"], sha256: fields["SHA256"], depends: fields["Depends"]}
	v, err := version.Parse(fields["Version"])
	if err != nil {
		return p, fmt.Errorf("package %s: %w", p.name, err)
	}
	p.version = v
	p.size, err = strconv.ParseInt(fields["Size"], 10, 64)
	if err != nil || p.size < 0 {
		return p, fmt.Errorf("package %s: size %q is no number of bytes", p.name, fields["Size"])
	}
	if len(p.sha256) != 64 || strings.Trim(p.sha256, "0123456789abcdef") != "" {
		return p, fmt.Errorf("package %s: the index states no SHA256", p.name)
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
		return nil, fmt.Errorf("dependencies of %s: %w", p.name, err)
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
