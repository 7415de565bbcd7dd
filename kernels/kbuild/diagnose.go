package kbuild

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

const (
	excerptLines = 20 // of a finding, context included
	maxOthers    = 16 // further files with errors, and failed targets
	contextLines = 4  // "In file included from …" and its like, which come before an error
	maxReason    = 240
)

// The lines that decide, in the words of gcc, clang, rustc, modpost, make and sh.
var (
	// machine are signs that the machine, the root or the tree failed, and not the module.
	machine = regexp.MustCompile(`: No space left on device\.?$|: Disk quota exceeded$` +
		`|[Kk]illed signal terminated program|internal compiler error: Killed|^Killed$|^File size limit exceeded$|\*\*\* \[.*\] (?:Killed|Error 137)$` +
		`|: Cannot allocate memory\b|virtual memory exhausted|out of memory allocating \d+ bytes|fork: .*Resource temporarily unavailable` +
		`|version .GLIBC_[\d.]+' not found|Kernel configuration is invalid|Module\.symvers"? is missing` +
		`|(?:resolve_btfids|modpost|fixdep|genksyms|objtool): (?:command )?not found$`)
	noFolder     = regexp.MustCompile(`^make(?:\[\d+\])?: \*\*\* (/\S*): No such file or directory\.  Stop\.$`)
	otherKernel  = regexp.MustCompile(`^/(?:usr/)?lib/modules/([^/]+)(?:/|$)`)
	modpostLine  = regexp.MustCompile(`^(?:ERROR|FATAL): modpost: (.*)$|^(?:ERROR|WARNING): (?:modpost: )?(.* undefined!)$`)
	suppressed   = regexp.MustCompile(`modpost: suppressed (\d{1,6}) unresolved symbol warnings`)
	undefined    = regexp.MustCompile(`^"([^"]+)" \[(.*)\] undefined!$|^(.*): symbol '([^']+)' undefined!$`) // the latter in 7.3
	compilerLine = regexp.MustCompile(`^(\S[^:]*):(\d+):(?:\d+:)? (?:fatal error|[eE]rror): (.*)$`)
	toolLine     = regexp.MustCompile(`^(?:(\S[^:]*): )?(?:fatal error|error)(?:\[E\d+\])?: (.*)$`)
	makefileLine = regexp.MustCompile(`^(\S[^:]*):(\d+): \*\*\* (.*?)\.?  Stop\.$`)
	makeLine     = regexp.MustCompile(`^make(?:\[\d+\])?: \*\*\* (.*)$`)
	makeFailed   = regexp.MustCompile(`^\[(?:.*: )?(.+)\] Error \d+$`)
	makeChatter  = regexp.MustCompile(`^make(?:\[\d+\])?: |^  [A-Z]+ +(?:\[M\] +)?\S+$`)
	leadIn       = regexp.MustCompile(`^In file included from |^ +from |: (?:In|At) [\w ]*(?:function|top level)|^ +inlined from `)
	quotedSource = regexp.MustCompile(`^ +(?:\d+ )?\|`)
	place        = regexp.MustCompile(`([\w./+-]+\.(?:c|h|S|rs|cc|inc)):(\d+)`)
)

// finding is the first of one kind of trouble, as it was said.
type finding struct {
	file, line, text string // file and line are empty where none was named
	excerpt          []string
	more             int // further ones of its kind
}

// diagnosis reads make's output line by line and keeps what decides, in bounded memory.
type diagnosis struct {
	at, kdir, release string // where the copy of the source and the kernel stand in the sandbox, and which kernel it is

	machine, modpost, compiler, tool, makefile, make *finding

	others  []*finding // of the compiler, in other files than the first
	failed  []string   // what make could not make
	symbols []string   // undefined ones
	lacks   []saidLack // what was said not to be there
	missed  int        // the number of the line in which make says that a command was not found; zero for none
	cause   *finding   // what the verdict rests on
	command string     // that is being run
	rust    bool       // something was compiled by rustc
	foreign string     // a folder that make looked for and that is not there
	recent  []string   // the last few lines
	open    *finding   // whose excerpt is still being taken

	errors, signs, lacking int // bytes of lines with a token: of errors, others, and what is lacking
	lines                  int // that were read
}

// tokens are words of which every line that decides has one. They keep the patterns off the bulk of the output.
var tokens = []string{
	"rror: ", "rror[", // errorTokens
	"*** ", "modpost: ", "undefined!", "illed", "limit exceeded", "No space left", "quota exceeded", "memory",
	"unavailable", "GLIBC_", "Kernel configuration", "symvers", "not found", makeUsage,
}

// makeUsage is what make says after the reason for which it does not take its command line.
const makeUsage = "Usage: make [options]"

const errorTokens = 2

// maxDecisive is how many bytes of lines of errors, and how many of others that may decide, go through the patterns: the first of
// each kind counts, and nobody should wait for what a build repeats a million times.
const maxDecisive = 1 << 20

// decides reports whether line has a token, as long as there were not too many.
func (d *diagnosis) decides(line string) bool {
	i := slices.IndexFunc(tokens, func(token string) bool { return strings.Contains(line, token) })
	seen := &d.signs
	if i >= 0 && i < errorTokens {
		seen = &d.errors
	}
	if i >= 0 {
		*seen += len(line)
	}
	return i >= 0 && *seen <= maxDecisive
}

// add reads one line of output.
func (d *diagnosis) add(line string) {
	line = clean(line)
	before := d.recent
	d.recent = append(slices.Clone(before[max(0, len(before)-contextLines+1):]), line)
	d.noteLack(line)
	d.rust = d.rust || strings.HasPrefix(line, "  RUSTC ")
	switch {
	case !d.decides(line), quotedSource.MatchString(line):
		if d.open != nil {
			d.open.keep(line)
		}
	case d.modpost != nil && suppressed.MatchString(line):
		more, _ := strconv.Atoi(suppressed.FindStringSubmatch(line)[1])
		d.modpost.more += more
	case noFolder.MatchString(line) && d.foreign == "":
		d.foreign = noFolder.FindStringSubmatch(line)[1]
		d.noteMake(line, before)
	case machine.MatchString(line) && !strings.Contains(line, "echo "): // which make shows when it is verbose
		d.note(&d.machine, finding{text: line}, line, nil)
	case modpostLine.MatchString(line):
		m := modpostLine.FindStringSubmatch(line)
		if u := undefined.FindStringSubmatch(m[1] + m[2]); u != nil && len(d.symbols) < maxOthers {
			d.symbols = append(d.symbols, u[1]+u[4])
		}
		d.note(&d.modpost, finding{text: m[1] + m[2]}, line, nil)
	case compilerLine.MatchString(line):
		m := compilerLine.FindStringSubmatch(line)
		d.noteCompiler(finding{file: m[1], line: m[2], text: m[3]}, line, before)
	case makefileLine.MatchString(line):
		m := makefileLine.FindStringSubmatch(line)
		d.note(&d.makefile, warned(finding{file: m[1], line: m[2], text: m[3]}, before), line, nil)
	case toolLine.MatchString(line):
		d.note(&d.tool, finding{text: line}, line, before)
	case makeLine.MatchString(line):
		d.noteMake(line, before)
	case strings.HasPrefix(line, makeUsage) && len(before) > 0 && d.make == nil:
		why := before[len(before)-1]
		d.make = &finding{text: strings.TrimPrefix(why, "make: "), excerpt: []string{why}}
	default:
		if d.open != nil {
			d.open.keep(line)
		}
	}
}

// note keeps f if it is the first of its kind, and lets its excerpt grow until another kind of line comes.
func (d *diagnosis) note(kind **finding, f finding, line string, before []string) {
	if *kind != nil {
		(*kind).more++
		(*kind).keep(line)
		return
	}
	for i, b := range before {
		if leadIn.MatchString(b) {
			f.excerpt = append(f.excerpt, before[i:]...)
			break
		}
	}
	f.excerpt = append(f.excerpt, line)
	*kind, d.open = &f, &f
}

// noteCompiler keeps the first error in each of the first files. A package may probe what a kernel can by compiling things, and
// which of its errors the build failed for is known only when make says what it could not make.
func (d *diagnosis) noteCompiler(f finding, line string, before []string) {
	first := d.compiler
	d.note(&d.compiler, f, line, before)
	if first == nil || len(d.others) >= maxOthers || first.file == f.file ||
		slices.ContainsFunc(d.others, func(o *finding) bool { return o.file == f.file }) {
		return
	}
	other := (*finding)(nil)
	d.note(&other, f, line, before)
	d.others = append(d.others, other)
}

// decisive is the compiler's error that make gave up for, if one stands out from the others, else the first.
func (d *diagnosis) decisive() *finding {
	all := append([]*finding{d.compiler}, d.others...)
	for _, strikes := range []func(*finding, string) bool{(*finding).strikes, (*finding).mentions} {
		for _, target := range d.failed {
			stem, object := strings.CutSuffix(path.Base(target), ".o")
			i := slices.IndexFunc(all, func(f *finding) bool { return object && strikes(f, stem) })
			if i >= 0 {
				return all[i]
			}
		}
	}
	return d.compiler
}

// strikes reports whether the error is in the source file of that stem; mentions, whether the file is on the way to it.
func (f *finding) strikes(stem string) bool { return stemOf(f.file) == stem }

func (f *finding) mentions(stem string) bool {
	return slices.ContainsFunc(f.excerpt, func(line string) bool {
		return slices.ContainsFunc(place.FindAllStringSubmatch(line, -1), func(m []string) bool { return stemOf(m[1]) == stem })
	})
}

// stemOf is a file's name without folders and suffix.
func stemOf(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

// builtObjects reports whether nothing that make gave up for was an object file.
func (d *diagnosis) builtObjects() bool {
	return !slices.ContainsFunc(d.failed, func(target string) bool { return strings.HasSuffix(target, ".o") })
}

// noteMake keeps make's own first error. Where that only says that a command failed, the command's last word says why.
func (d *diagnosis) noteMake(line string, before []string) {
	d.open = nil
	text := strings.TrimSuffix(makeLine.FindStringSubmatch(line)[1], ".  Stop.")
	if strings.HasSuffix(text, " Error 127") && d.missed == 0 {
		d.missed = d.lines
	}
	if m := makeFailed.FindStringSubmatch(text); m != nil && len(d.failed) < maxOthers {
		d.failed = append(d.failed, m[1])
	}
	if d.make != nil {
		return
	}
	var said []string
	if makeFailed.MatchString(text) {
		for _, b := range before {
			if b != "" && !makeChatter.MatchString(b) {
				said = append(said, b)
			}
		}
	}
	if len(said) > 0 {
		text = said[len(said)-1]
	}
	d.make = &finding{text: text, excerpt: append(said, line)}
}

// keep adds a line to the excerpt as long as there is room, unless it is only make saying what it does.
func (f *finding) keep(line string) {
	if len(f.excerpt) < excerptLines && !makeChatter.MatchString(line) {
		f.excerpt = append(f.excerpt, line)
	}
}

// clean takes out of a line what has no place in a report: escape sequences, control characters, broken UTF-8.
func clean(line string) string {
	return strings.TrimRight(oneLine.Replace(wire.Scrub(line)), " ")
}

var oneLine = strings.NewReplacer("\t", " ", "\n", "")

// cut bounds a reason.
func cut(reason string) string {
	if runes := []rune(reason); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return reason
}
