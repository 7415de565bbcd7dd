package kbuild

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results"
)

// verdict returns what make's exit code and output mean: nil, an *Error, or trouble on our side. That wins, since a module
// must not be blamed for a machine in trouble. inSource answers where in the source a file is that the compiler names, if it is.
func (d *diagnosis) verdict(exit int, inSource func(string) (string, bool)) error {
	switch {
	case d.machine != nil && strings.Contains(d.machine.text, "Module.symvers"):
		return errors.New("kernel tree has no Module.symvers, so no symbol can be checked: " + d.machine.text)
	case exit == 0 && d.modpost == nil:
		return nil
	case d.machine != nil:
		return fmt.Errorf("build broke off: %s", cut(d.machine.text))
	case d.foreign != "" && d.foreign == d.kdir:
		return fmt.Errorf("the root has no %s", d.foreign)
	case d.modpost != nil && d.compiler == nil && tooWide(d.modpost.text) != "":
		return errors.New(tooWide(d.modpost.text))
	case exit > 128:
		return fmt.Errorf("make was killed by signal %d", exit-128)
	case exit == 126 || exit == 127:
		return fmt.Errorf("the root has no make that runs: %s", strings.Join(d.recent, "; "))
	}
	return d.fault(exit, inSource)
}

func (d *diagnosis) fault(exit int, inSource func(string) (string, bool)) *Error {
	e := &Error{Code: results.CodeBuildError, ExitCode: exit}
	var f *finding
	switch kernel := otherKernel.FindStringSubmatch(d.foreign); {
	case kernel != nil && kernel[1] != d.release:
		f, e.Reason = d.make, "the Makefile ignores the kernel it is given, e.g. by `uname -r`: it looks for "+d.foreign
	case exit != 0 && d.compiler != nil && (d.modpost == nil || !d.builtObjects()):
		f = d.decisive()
		e.Reason = d.located(f, inSource)
	case d.modpost != nil:
		f, e.Reason, e.Code = d.modpost, d.unresolved(d.modpost), results.CodeModpostError
	case cmp.Or(d.makefile, d.compiler, d.tool) != nil:
		f = cmp.Or(d.makefile, d.compiler, d.tool)
		e.Reason = d.located(f, inSource)
	case d.make != nil:
		f, e.Reason = d.make, d.relative(d.make.text)+d.releaseGiven(d.make.text)
	default:
		f = &finding{excerpt: d.recent}
		e.Reason = fmt.Sprintf("make ended with exit code %d and said nothing", exit)
	}
	if d.cause = f; f == d.modpost {
		e.Symbols = d.symbols
	}
	e.Reason = cut(e.Reason)
	for _, line := range f.excerpt[:min(len(f.excerpt), excerptLines)] {
		e.Excerpt = append(e.Excerpt, d.relative(line))
	}
	return e
}

func (d *diagnosis) lastSaid() string {
	for _, line := range slices.Backward(d.recent) {
		if line != "" && !makeChatter.MatchString(line) {
			return d.relative(line)
		}
	}
	return ""
}

// located is the finding's text with its place in the module's own source before it. An error that strikes in a header of the
// kernel is placed where the excerpt says that the source led there.
func (d *diagnosis) located(f *finding, inSource func(string) (string, bool)) string {
	if file, ok := inSource(d.relative(f.file)); ok && f.file != "" {
		return file + ":" + f.line + ": " + f.text
	}
	for _, line := range f.excerpt {
		for _, m := range place.FindAllStringSubmatch(line, -1) {
			if file, ok := inSource(d.relative(m[1])); ok {
				return file + ":" + m[2] + ": " + d.relative(f.text)
			}
		}
	}
	if f.file == "" {
		return d.relative(f.whole())
	}
	return d.relative(f.file) + ":" + f.line + ": " + f.text
}

func (d *diagnosis) unresolved(f *finding) string {
	reason := d.relative(f.text)
	if m := undefined.FindStringSubmatch(f.text); m != nil {
		symbol, ko := m[1]+m[4], m[2]+m[3]
		reason = path.Base(ko) + ": undefined symbol " + symbol
	}
	if f.more > 0 {
		reason += fmt.Sprintf(" (and %d more)", f.more)
	}
	return reason
}

// relative makes paths below the build folder relative to it, as they are in the source.
func (d *diagnosis) relative(s string) string {
	s = strings.TrimSuffix(strings.TrimSuffix(s, ", needed by './'"), ", needed by '"+d.at+"/'")
	return strings.ReplaceAll(s, d.at+"/", "")
}

// ErrNothingBuilt says that make ended well and built no module at all: for this kernel's configuration the Kbuild file
// declares none. It comes inside an *Error with results.CodeKoMissing.
var ErrNothingBuilt = errors.New("no module was built")

// Error is a fault of the module: the kernel's build system refused it, or what came out is no module for the kernel.
// Every other error of this package is this program's or the machine's, and says nothing about the module.
type Error struct {
	Code     results.Code // build-error, modpost-error, ko-missing or vermagic-mismatch
	Reason   string       // one line; where it has a place, file.c:LINE relative to the source comes first
	Excerpt  []string     // up to 20 lines of make's output around it
	Symbols  []string     // those that modpost found undefined; the first few of many
	ExitCode int          // of make; zero when make was content

	cause error
	known bool // the reason says why; nothing that was lacking explains it better
}

// Error is the code and the reason.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Reason }

// Unwrap is ErrNothingBuilt where that is the fault, else nil.
func (e *Error) Unwrap() error { return e.cause }

// refusals are what compilers, and what they call, say of an option or a plugin that is not for them: gcc's words (Linux builds
// with LC_ALL=C), clang's, the linkers'. The group is what was refused.
var refusals = []*regexp.Regexp{
	regexp.MustCompile(`\berror: unrecognized command[- ]line option '([^']+)'`),
	regexp.MustCompile(`\berror: (?:unrecognized|unsupported|invalid) argument (?:in|to) (?:option )?'([^']+)'`),
	regexp.MustCompile(`\berror: argument '[^']*' to '([^']+)' not recognized`),
	regexp.MustCompile(`\berror: unknown (?:argument|warning option):? '([^']+)'`),
	regexp.MustCompile(`\berror: unsupported (?:option|argument '[^']*' to option) '([^']+)'`),
	regexp.MustCompile(`\berror: incompatible (gcc/plugin) versions|\berror: (?:cannot load plugin|fail to initialize plugin) ([^\s:]+)`),
	regexp.MustCompile(`\bld(?:\.\w+)?: (?:error: )?(?:unrecognized option|unknown argument) '([^']+)'`),
}

func refused(lines []string) string {
	for _, line := range lines {
		for _, r := range refusals {
			if m := r.FindStringSubmatch(line); m != nil {
				return strings.Join(m[1:], "")
			}
		}
	}
	return ""
}

// strange is the error of a build that broke for an option that the kernel's own compiler knew and the one that is here does not. That
// is no fault of a module that never asked for it. nil where anything else is the matter.
func (r Request) strange(fault *Error) error {
	kernel := r.Tree.Config.Value("CC_VERSION_TEXT")
	option := refused(append(slices.Clone(fault.Excerpt), fault.Reason))
	if option == "" || kernel == "" || kernels.SameCompiler(kernel, r.Tree.Root.Compiler) || r.asksFor(option) {
		return nil
	}
	return fmt.Errorf("the kernel was built with %s, and here is %s, which does not take its %s: install %s",
		kernel, cmp.Or(r.Tree.Root.Compiler, "another"), option, ownCompiler(r.Tree.Config))
}

// ownCompiler is the package of the kernel's own compiler, as most distributions call it.
func ownCompiler(config kconfig.Config) string {
	for _, family := range []string{"gcc", "clang"} {
		if n, _ := strconv.Atoi(config.Value(strings.ToUpper(family) + "_VERSION")); n > 0 {
			return family + "-" + strconv.Itoa(n/10000)
		}
	}
	return "that one"
}

// asksFor reports whether what builds the module names the option, or the user does.
func (r Request) asksFor(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	if slices.ContainsFunc(r.Make, func(arg string) bool { return strings.Contains(arg, name) }) {
		return true
	}
	built, err := os.OpenRoot(r.Dir)
	if err != nil {
		return false
	}
	defer built.Close()
	found := false
	_ = fs.WalkDir(built.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && tooDeep(file) {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() || !matchesAny(instructions, path.Base(file)) {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxMakefile {
			return nil
		}
		text, _ := fs.ReadFile(built.FS(), file)
		if bytes.Contains(text, []byte(name)) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// instructions are the names of files that say how a source is built, as patterns: makefiles, and what they are made by.
var instructions = []string{"[Mm]akefile*", "GNUmakefile*", "Kbuild*", "*.mk", "*.in", "*.am", "*.ac", "*.m4", "*.sh", "configure", "dkms.conf"}
