package kbuild

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

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
	case exit > 128:
		return fmt.Errorf("make was killed by signal %d", exit-128)
	case exit == 126 || exit == 127:
		return fmt.Errorf("the root has no make that runs: %s", strings.Join(d.recent, "; "))
	}
	return d.fault(exit, inSource)
}

// fault is the *Error that the output amounts to.
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
		f, e.Reason, e.Code = d.modpost, d.symbols(d.modpost), results.CodeModpostError
	case d.makefile != nil:
		f, e.Reason = d.makefile, d.located(d.makefile, inSource)
	case d.compiler != nil:
		f, e.Reason = d.compiler, d.located(d.compiler, inSource)
	case d.tool != nil:
		f, e.Reason = d.tool, d.located(d.tool, inSource)
	case d.make != nil:
		f, e.Reason = d.make, d.relative(d.make.text)
	default:
		f = &finding{excerpt: d.recent}
		e.Reason = fmt.Sprintf("make ended with exit code %d and said nothing", exit)
	}
	e.Reason = cut(e.Reason)
	for _, line := range f.excerpt[:min(len(f.excerpt), excerptLines)] {
		e.Excerpt = append(e.Excerpt, d.relative(line))
	}
	return e
}

// explain adds to a module that is missing though make was content what was said to be wrong: a MAKE that ends in a pipe or in
// "; true" loses make's exit code.
func (d *diagnosis) explain(err error, inSource func(string) (string, bool)) error {
	var missing *Error
	if !errors.As(err, &missing) || missing.Code != results.CodeKoMissing ||
		d.compiler == nil && d.modpost == nil && d.makefile == nil && d.tool == nil && d.make == nil {
		return err
	}
	said := d.fault(1, inSource)
	missing.Reason = cut(missing.Reason + "; make's exit code was lost: " + said.Reason)
	missing.Excerpt = said.Excerpt
	return missing
}

// lastSaid is the last line that is not make's own.
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
		return d.relative(f.text)
	}
	return d.relative(f.file) + ":" + f.line + ": " + f.text
}

// symbols is modpost's complaint in one line.
func (d *diagnosis) symbols(f *finding) string {
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
	ExitCode int          // of make; zero when make was content

	cause error
}

// Error is the code and the reason.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Reason }

// Unwrap is ErrNothingBuilt where that is the fault, else nil.
func (e *Error) Unwrap() error { return e.cause }
