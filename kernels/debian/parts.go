package debian

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
	"pault.ag/go/debian/dependency"
)

type parts struct {
	pkgs []pkg                 // unpacked into the tree
	root []dependency.Relation // installed in the root
}

var (
	// kernelPart are the packages that belong to one kernel, as against linux-base and the like, that serve them all.
	kernelPart = regexp.MustCompile(`^linux-(image|binary|modules|base|headers|kbuild)-\d|^linux-compiler-`)
	// buildPart are those that are needed to build modules.
	buildPart = regexp.MustCompile(`^linux-(headers|kbuild|compiler)-`)
	// compilerPart is empty: it stands for a compiler.
	compilerPart = regexp.MustCompile(`^linux-compiler-`)
)

// partsOf follows the dependencies of k's image and headers. The error says what is missing.
func (ix index) partsOf(k kernel) (parts, error) {
	headers := dependency.Relation{Possibilities: []dependency.Possibility{{
		Name: "linux-headers-" + k.release, Version: &dependency.VersionRelation{Number: k.image.version.String(), Operator: "="},
	}}}
	first, err := ix.pick(headers)
	if err != nil {
		return parts{}, err
	}
	var found parts
	queue := []pkg{k.image, first}
	seen := map[string]bool{k.image.Name: true, first.Name: true}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if !compilerPart.MatchString(p.Name) {
			found.pkgs = append(found.pkgs, p)
		}
		relations, err := p.relations()
		if err != nil {
			return parts{}, err
		}
		for _, rel := range relations {
			if len(rel.Possibilities) == 0 {
				continue
			}
			if !kernelPart.MatchString(rel.Possibilities[0].Name) {
				if buildPart.MatchString(p.Name) && rel.Possibilities[0].Name != "linux-base" {
					found.root = append(found.root, rel)
				}
				continue
			}
			part, err := ix.pick(rel)
			if err != nil {
				return parts{}, err
			}
			if !seen[part.Name] {
				seen[part.Name] = true
				queue = append(queue, part)
			}
		}
	}
	slices.SortFunc(found.pkgs, func(a, b pkg) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func (ps parts) target(k kernel, lists []list, su suite, of arch.Arch) (kernels.Target, error) {
	t := kernels.Target{
		Release: k.release, Version: k.upstream(), Arch: of.Name, Flavour: k.flavour,
		Source: "debian:" + su.name,
	}
	for _, p := range ps.pkgs {
		t.Packages = append(t.Packages, p.Package)
	}
	var err error
	t.Suite, t.RootPkgs, err = ps.rootOf(lists, su, of)
	if missing, ok := errors.AsType[*noCompilerError](err); ok {
		return t, &kernels.IncompleteError{Release: k.release, Version: k.upstream(), Reason: fmt.Sprintf("%s cannot be built for on %s: %v", k.release, build.Debian, missing)}
	}
	return t, err
}

// rootOf is the base suite and packages of the root. A package that needs the selected suite is named with its version, and so is that suite.
func (ps parts) rootOf(lists []list, su suite, of arch.Arch) (base string, pkgs []string, err error) {
	relations := ps.compiledFor(of)
	ix, err := readIndex(ofMachine(lists), func(name string) bool {
		called := func(p dependency.Possibility) bool { return p.Name == name }
		return slices.ContainsFunc(relations, func(rel dependency.Relation) bool { return slices.ContainsFunc(rel.Possibilities, called) })
	})
	if err != nil {
		return "", nil, err
	}
	base = codenameOf(lists, su.base)
	for _, rel := range relations {
		name := rel.Possibilities[0].Name
		if p, err := ix.pick(rel); err == nil {
			name = p.Name
			if _, err := ix.only(su).pick(rel); err != nil {
				name, base = p.Name+"="+p.version.String(), su.name
			}
		} else if isCross(name, of) {
			return "", nil, &noCompilerError{name, su.name}
		}
		if m := nativeCompiler.FindStringSubmatch(name); m != nil {
			name = m[1]
		}
		pkgs = append(pkgs, name)
	}
	slices.Sort(pkgs)
	return base, slices.Compact(pkgs), nil
}

// only is the index without the suites that a root of the base suite does not see.
func (ix index) only(su suite) index {
	kept := index{}
	for name, pkgs := range ix {
		for _, p := range pkgs {
			if p.suite == su.base || p.suite == su.base+"-security" || p.suite == su.base+"-updates" {
				kept[name] = append(kept[name], p)
			}
		}
	}
	return kept
}

// codenameOf is the release's own name where the suite is a moving one, such as stable: a root outlives the day it moves.
func codenameOf(lists []list, name string) string {
	for _, l := range lists {
		if l.suite == name && l.codename != "" {
			return l.codename
		}
	}
	return name
}

func key(t kernels.Target) string {
	var b strings.Builder
	for _, p := range t.Packages {
		fmt.Fprintf(&b, "%s %s %s %s\n", p.Name, p.Version, p.Arch, p.SHA256)
	}
	return b.String()
}
