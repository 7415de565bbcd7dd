package kbuild

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// excuse returns a *LackError in place of a fault that what the root lacks brought about, as far as that can be known; else the
// fault, with what was lacking said in its reason. Why a build fails that did without a program the output alone does not show:
// where the fault lies in what the source brings along, it stands.
func (s scene) excuse(log *buildLog, step Step, fault *Error) error {
	if err := s.noRust(log); err != nil {
		return err
	}
	if lost := s.lostFlags(); lost != "" && step.Name == "" && fault.Code != results.CodeVermagicMismatch {
		fault.Reason = cut(fault.Reason + "; " + lost)
	}
	lacks := s.absent(log.lacks)
	if len(lacks) == 0 && log.cause != nil && (s.made(log.cause) || s.gone(log.cause)) {
		lacks = s.absent(log.done) // a step before this one should have made it
	}
	if len(lacks) == 0 {
		lacks = s.silent(log, fault)
	}
	var plain []Lack
	for _, l := range lacks {
		l.Said = log.relative(l.Said)
		plain = append(plain, l.Lack)
	}
	if pkg := s.otherPackage(log); pkg != "" {
		return s.lacking(fault, Lack{Kind: LackPackage, Name: pkg})
	}
	if sub := s.submodule(log.cause); sub != "" {
		return s.lacking(fault, Lack{Kind: LackSubmodule, Name: sub})
	}
	switch {
	case len(plain) == 0:
		return fault
	case s.decided(log, step, fault, lacks):
		return s.lacking(fault, plain...)
	}
	fault.Reason = cut(fault.Reason + "; " + describe(plain))
	return fault
}

func (s scene) lacking(fault *Error, lacks ...Lack) error {
	return fmt.Errorf("build for %s: %w", s.r.Tree.Target.Release, &LackError{lacks, fault.Reason})
}

const (
	recently = 5  // lines before its end in which a script may miss what it then ends for
	nearby   = 12 // lines from what a command says to make's word that it was not found, several jobs at once included
)

// decided reports whether the build failed for what was lacking.
func (s scene) decided(log *buildLog, step Step, fault *Error, lacks []saidLack) bool {
	f := log.cause
	switch {
	case fault.known:
		return false
	case fault.ExitCode == 126, fault.ExitCode == 127, slices.ContainsFunc(lacks, func(l saidLack) bool {
		return l.at == 0 || step.Name != "" && log.lines-l.at < recently || l.at <= log.missed && log.missed-l.at < nearby ||
			l.Kind == LackLibrary && strings.HasPrefix(l.Name, "-l")
	}):
		return true
	case step.Name != "" || f == nil:
		return step.Name == ""
	case fault.Code != results.CodeBuildError && fault.Code != results.CodeKoMissing:
		return false
	case slices.ContainsFunc(lacks, func(l saidLack) bool { return slices.Contains(f.excerpt, l.Said) }):
		return true
	}
	return s.made(f) || s.gone(f) || s.named(f)
}

// made reports whether an error lies in what the build made itself, or in a file that includes it.
func (s scene) made(f *finding) bool {
	lines := append([]string{f.file + ":" + f.line}, f.excerpt...)
	for _, line := range lines {
		if strings.Contains(line, "<command-line>") {
			return true
		}
		for _, m := range place.FindAllStringSubmatch(line, -1) {
			if file, ok := s.r.inCopy(strings.TrimPrefix(m[1], s.r.sandbox().at()+"/")); ok && !s.r.brought(file) {
				return true
			}
		}
	}
	file, ok := s.r.inCopy(strings.TrimPrefix(f.file, s.r.sandbox().at()+"/"))
	if !ok {
		return false
	}
	text := s.read(file)
	return slices.ContainsFunc(s.generated(), func(name string) bool { return strings.Contains(text, path.Base(name)+`"`) })
}

// generated are the files in the copy that look like source and that the source did not bring.
func (s scene) generated() (names []string) {
	s.walk([]string{"*.h", "*.c", "*.S", "*.inc"}, func(name string) bool {
		if !strings.HasSuffix(name, ".mod.c") && !s.r.brought(name) {
			names = append(names, name)
		}
		return len(names) < maxOthers
	})
	return names
}

// notThere is what compilers and make say of a file that they do not find.
var notThere = regexp.MustCompile(`^'?([^\s':]+)'?: No such file or directory$|^'([^']+)' file not found|No rule to make target '([^']+)'|^specified external module directory "([^"]+)" does not exist`)

// ofKernel are the folders of the kernel's headers: what is not found there may have been removed, and no program makes it.
var ofKernel = regexp.MustCompile(`^(?:acpi|asm|asm-generic|clocksource|crypto|cxl|drm|dt-bindings|generated|keys|kunit|kvm|linux|math-emu|media|memory|misc|net|pcmcia|ras|rdma|rv|` +
	`scsi|soc|sound|target|trace|uapi|ufs|vdso|video|xen)/`)

// gone reports whether an error is that a file is not there that neither the source nor a kernel would have.
func (s scene) gone(f *finding) bool {
	m := notThere.FindStringSubmatch(f.text)
	if m == nil {
		return false
	}
	name := strings.TrimPrefix(strings.Join(m[1:], ""), s.r.sandbox().at()+"/")
	if ofKernel.MatchString(name) || s.r.brought(name) {
		return false
	}
	elsewhere := false // in a folder that a flag would name
	s.walk([]string{path.Base(name)}, func(file string) bool {
		elsewhere = strings.HasSuffix(file, "/"+name) && s.r.brought(file)
		return !elsewhere
	})
	return !elsewhere
}

var (
	quotedName = regexp.MustCompile(`'([A-Za-z_]\w+)'`)
	macroName  = regexp.MustCompile(`\b[A-Z][A-Z0-9_]{2,}\b`)
)

// named reports whether an error is about a name that the build's instructions define, or strikes where the source uses one that they
// define by what a command prints: -DREVISION=$(shell git describe).
func (s scene) named(f *finding) (found bool) {
	names := quotedName.FindAllStringSubmatch(plainQuotes.Replace(f.text), -1)
	var used []string
	for _, line := range f.excerpt {
		if quotedSource.MatchString(line) {
			used = append(used, macroName.FindAllString(line, -1)...)
		}
	}
	s.walk(instructions, func(file string) bool {
		for line := range strings.Lines(s.read(file)) {
			defines := func(name string) bool {
				return strings.Contains(line, "-D"+name) || strings.Contains(line, "define "+name)
			}
			found = found || slices.ContainsFunc(names, func(m []string) bool { return defines(m[1]) }) || strings.Contains(line, "$") && slices.ContainsFunc(used, defines)
		}
		return !found
	})
	return found
}

var (
	// shellOut finds the program that a Makefile asks for a value; what it says of itself may be thrown away.
	shellOut = regexp.MustCompile(`(?:\$[({]shell\s+|!=\s*)(?:cd\s+[^;&]+(?:;|&&)\s*)?([a-z][\w.+-]*)`)
	// wanting are the words in which scripts and makefiles say that they want a program.
	wanting = regexp.MustCompile(`(?i)not (?:be )?found|installed\b|\bno .*found|don't have|lacks|\binstall\b|requir|\bneeds?\b|missing|can ?not|can't|could not|unable|no such|unavailable|must have`)
	word    = regexp.MustCompile(`[A-Za-z0-9_][\w.+-]*`)
)

// silent finds what is lacking where no program said so: a package that looks for a program itself and names it in its own words,
// and a value that the Makefile asks a program for and gets none.
func (s scene) silent(log *buildLog, fault *Error) (lacks []saidLack) {
	add := func(program string) {
		if slices.ContainsFunc(lacks, func(l saidLack) bool { return l.Name == program }) {
			return
		}
		if _, known := kernels.PackageOf(program); !s.has(program) && (known || s.looksFor(program)) {
			lacks = append(lacks, saidLack{Lack: Lack{Kind: LackProgram, Name: program}})
		}
	}
	f := log.cause
	var said []string
	switch f {
	case nil, log.makefile, log.make, log.tool:
		said = []string{fault.Reason}
	default:
		if f.text == "" { // a script's own words
			said = f.excerpt[max(0, len(f.excerpt)-recently):]
		}
	}
	for _, line := range said {
		if wanting.MatchString(line) {
			for _, w := range word.FindAllString(line, -1) {
				add(strings.ToLower(strings.TrimRight(w, ".-")))
			}
		}
	}
	if len(lacks) == 0 && (fault.Code == results.CodeKoMissing || f != nil && (s.made(f) || s.gone(f) || s.named(f))) {
		s.walk(instructions, func(file string) bool {
			for _, m := range shellOut.FindAllStringSubmatch(s.read(file), -1) {
				add(m[1])
			}
			return len(lacks) == 0
		})
	}
	return lacks
}

// brought reports whether the source as it was given has a file or folder of that name.
func (r Request) brought(name string) bool {
	root, err := os.OpenRoot(r.Top)
	if err != nil {
		return false
	}
	defer root.Close()
	for _, folder := range append([]string{".", r.Folder}, r.folders()...) {
		if _, err := root.Lstat(path.Join(folder, name)); err == nil && name != "" {
			return true
		}
	}
	return false
}

// walk calls visit with the files in the copy of the source whose names match one of patterns, until that returns false.
func (s scene) walk(patterns []string, visit func(name string) bool) {
	root, err := os.OpenRoot(s.r.Dir)
	if err != nil {
		return
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && tooDeep(name):
			return fs.SkipDir
		case err == nil && d.Type().IsRegular() && matchesAny(patterns, path.Base(name)) && !visit(name):
			return fs.SkipAll
		}
		return nil
	})
}

// read returns the text of a file in the copy of the source; empty where that is too large or is none.
func (s scene) read(name string) string {
	root, err := os.OpenRoot(s.r.Dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	text, _ := kernels.ReadRegular(root, name, maxMakefile)
	return string(text)
}

// explain adds to a missing module what was said to be wrong: a MAKE that ends in a pipe or "; true" loses make's exit code.
func (s scene) explain(log *buildLog, err error) error {
	var missing *Error
	if !errors.As(err, &missing) || missing.Code != results.CodeKoMissing {
		return err
	}
	if cmp.Or(log.compiler, log.modpost, log.makefile, log.tool, log.make) != nil {
		said := log.fault(1, s.r.inCopy)
		missing.Reason = cut(missing.Reason + "; make's exit code was lost: " + said.Reason)
		missing.Excerpt = said.Excerpt
	}
	return s.excuse(log, Step{}, missing)
}

// without says what a build that succeeded did without: flags that were lost, and what the root lacks.
func (s scene) without(log *buildLog) (notes []string, lacks []Lack) {
	if lost := s.lostFlags(); lost != "" {
		notes = append(notes, lost)
	}
	for _, l := range s.absent(append(log.done, log.lacks...)) {
		if !slices.ContainsFunc(lacks, func(o Lack) bool { return o.Name == l.Name }) {
			lacks = append(lacks, l.Lack)
		}
	}
	return notes, lacks
}
