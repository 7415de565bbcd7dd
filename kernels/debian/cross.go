package debian

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
	"pault.ag/go/debian/dependency"
)

// forKernels is what resolving reads: of an architecture's kernels what its own index has, and of everything that runs while modules
// are built (kbuild's programs, compilers) what this machine's has. One file of the archive counts once.
func forKernels(ix index, a arch.Arch) index {
	if a.Debian == build.Debian {
		return ix
	}
	kept := index{}
	for name, pkgs := range ix {
		of := a.Debian
		if !kernelPart.MatchString(name) && !metaImage.MatchString(name) || runsHere.MatchString(name) {
			of = build.Debian
		}
		if pkgs = slices.DeleteFunc(slices.Clone(pkgs), func(p pkg) bool { return p.list != of }); len(pkgs) > 0 {
			kept[name] = pkgs
		}
	}
	return kept
}

// notIndexed is how apt says that it got no list of an architecture's packages: of which suite, for which.
var notIndexed = regexp.MustCompile(`(?m)^E: Failed to fetch \S+/dists/(\S+)/main/binary-([^/\s]+)/Packages`)

// withoutUnread is lines with those optional suites for this machine's architecture alone whose packages for st's could not be
// read, and says so: mirrors do not carry all of them, or are behind with some. "" where it is another trouble.
func (st *state) withoutUnread(lines []line, err error) (left []line, why string) {
	tool, ok := errors.AsType[*kernels.ToolError](err)
	if !ok || noAnswer.MatchString(tool.Output) || store.IsFull(err) || st.arch.Debian == build.Debian {
		return lines, ""
	}
	left = slices.Clone(lines)
	for _, m := range notIndexed.FindAllStringSubmatch(tool.Output, -1) {
		i := slices.IndexFunc(left, func(l line) bool { return l.suite == m[1] && l.optional && !l.own })
		if i < 0 || m[2] != st.arch.Debian {
			return lines, ""
		}
		left[i].own = true
		why = fmt.Sprintf("the archive gives no index of %s for %s, or not the one that it signed: newer kernels may be missing", m[1], m[2])
	}
	return left, why
}

var (
	metaImage = regexp.MustCompile(`^linux-image-[a-z0-9-]+$`)
	runsHere  = regexp.MustCompile(`^linux-kbuild-`)
)

// nativeCompiler is a compiler as headers ask for it: for their own architecture, as the machine that they are meant for would have it.
// With -for-host it has only its long name; the plain package has both, and with it kernels of one suite share a root.
var nativeCompiler = regexp.MustCompile(`^(gcc-\d+)(-for-host)?$`)

// compiledFor is what a root needs, with the compilers for a.
func (ps parts) compiledFor(a arch.Arch) []dependency.Relation {
	if a.Debian == build.Debian {
		return ps.root
	}
	var all []dependency.Relation
	for _, rel := range ps.root {
		if m := nativeCompiler.FindStringSubmatch(rel.Possibilities[0].Name); m != nil {
			for _, name := range kernels.CompilerPackages(m[1], a) {
				all = append(all, named(name))
			}
		} else {
			all = append(all, rel)
		}
	}
	return all
}

func named(name string) dependency.Relation {
	return dependency.Relation{Possibilities: []dependency.Possibility{{Name: name}}}
}

// isCross reports whether name is a compiler that compiledFor put there for another machine.
func isCross(name string, a arch.Arch) bool {
	return a.Debian != build.Debian && strings.HasPrefix(name, "gcc-") && strings.HasSuffix(name, kernels.PackageWord(a))
}

// noCompilerError says that a suite lacks a compiler.
type noCompilerError struct{ name, suite string }

func (e *noCompilerError) Error() string { return e.suite + " has no " + e.name }

// ofMachine are the lists of this machine's own packages.
func ofMachine(lists []list) []list {
	return slices.DeleteFunc(slices.Clone(lists), func(l list) bool { return l.arch != build.Debian })
}

// compilerOf is the compiler among a root's packages, as the command is called; "" where there is none.
func compilerOf(rootPkgs []string) string {
	for _, name := range rootPkgs {
		name, _, _ = strings.Cut(name, "=")
		if compilerName.MatchString(name) {
			return name
		}
		for _, a := range arch.All() {
			if plain, cross := strings.CutSuffix(name, "-"+kernels.PackageWord(a)); cross && compilerName.MatchString(plain) {
				return a.Triplet + "-" + plain
			}
		}
	}
	return ""
}

var compilerName = regexp.MustCompile(`^(gcc|clang)-\d+$`)
