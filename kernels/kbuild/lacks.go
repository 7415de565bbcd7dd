package kbuild

import (
	"bytes"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

// Lack is something that a build asked for and the root does not have.
type Lack struct {
	Kind LackKind
	Name string // of the program or the library; what wanted the network, if known
	Said string // the line of output that says so; empty where that was concluded
}

// LackKind is what kind of thing is lacking.
type LackKind string

// The kinds of Lack.
const (
	LackProgram LackKind = "program"
	LackLibrary LackKind = "library" // of the root, for programs that a build makes or runs; what a kernel module includes is none
	LackNetwork LackKind = "network" // which no build has
	LackPackage LackKind = "package" // another external module whose files the source refers to
	// LackSubmodule is a submodule of the source's own repository that its checkout does not hold.
	LackSubmodule LackKind = "submodule"
)

// LackError says that a build failed for want of something that is not the module's to bring: nothing is known of the module.
type LackError struct {
	Lacks []Lack
	Fault string // what the build failed for
}

// Error names what is lacking, and what the build said.
func (e *LackError) Error() string {
	text := describe(e.Lacks)
	if e.Fault != "" && !strings.Contains(text, e.Fault) && !makeFailed.MatchString(e.Fault) {
		text += ", and so: " + e.Fault
	}
	return cut(text)
}

// String says what is lacking: "the root lacks xxd, which the build runs (/bin/sh: 1: xxd: not found)".
func (l Lack) String() string {
	text := "the root lacks " + l.Name + ", which the build uses"
	switch l.Kind {
	case LackProgram:
		text = "the root lacks " + l.Name + ", which the build runs"
		if l.NeedsNetwork() {
			text += ", and no build has a network"
		}
	case LackNetwork:
		text = "the build wants the network, which no build has"
	case LackPackage:
		text = "the source refers to " + l.Name + " of another package"
	case LackSubmodule:
		text = "the source lacks its submodule " + l.Name + ", which is not checked out"
	}
	if l.Said != "" {
		text += " (" + l.Said + ")"
	}
	return text
}

func describe(lacks []Lack) string {
	var texts []string
	for _, l := range lacks {
		texts = append(texts, l.String())
	}
	return strings.Join(texts, "; ")
}

// NeedsNetwork reports whether what is lacking is the network, or a program that does nothing without one.
func (l Lack) NeedsNetwork() bool {
	return l.Kind == LackNetwork || l.Kind == LackProgram && slices.Contains(fetchers, l.Name)
}

// fetchers are programs that do nothing without a network.
var fetchers = []string{"aria2c", "cargo", "curl", "npm", "pip", "pip3", "scp", "ssh", "wget"}

// lackSign is one way in which a shell, make or a program says that something is not there; the group is its name.
type lackSign struct {
	kind  LackKind
	words *regexp.Regexp
}

var lackSigns = []lackSign{
	{LackProgram, regexp.MustCompile(`(?:^|: )(?:line )?\d+: (?:eval: line \d+: )?(?:exec: )?([^:\s]+): (?:command )?not found$`)},
	{LackProgram, regexp.MustCompile(`^[-\w./]*sh: (?:exec: )?([^:\s]+): (?:command )?not found$`)},
	{LackProgram, regexp.MustCompile(`^make(?:\[\d+\])?: ([^:*\s]+): (?:No such file or directory|Command not found)$`)},
	{LackProgram, regexp.MustCompile(`env: '?([^':\s]+)'?: No such file or directory$`)},
	{LackProgram, regexp.MustCompile(`: ([^:\s]+): bad interpreter: No such file or directory$`)},
	{LackProgram, regexp.MustCompile(`: (?:line \d+: )?([^:\s]+): cannot execute: required file not found$`)},
	{LackProgram, regexp.MustCompile(`(?:^|/)(?:nice|nohup|setsid|stdbuf|timeout|xargs): (?:failed to run command |failed to execute )?'?([^':\s]+)'?: No such file or directory$`)},
	{LackProgram, regexp.MustCompile(`\(child\): ([^:\s]+): Cannot exec: No such file or directory$`)},
	{LackProgram, regexp.MustCompile(`Can't exec "([^"\s]+)": No such file or directory`)},
	{LackProgram, regexp.MustCompile(`FileNotFoundError: \[Errno 2\] No such file or directory: '([\w.+-]+)'$`)},
	{LackProgram, regexp.MustCompile(`(?:error trying to exec|cannot execute) '([^'/\s]+)': (?:execvp|posix_spawnp?): No such file or directory`)},
	{LackProgram, regexp.MustCompile(`check-local-export: ([^:\s]+) failed$`)},
	{LackProgram, regexp.MustCompile(`collect2: fatal error: cannot find '([^']+)'`)},
	{LackLibrary, regexp.MustCompile(`^(?:\S*/)?ld(?:\.\w+)?: cannot find (-l[\w.+-]+)`)},
	{LackLibrary, regexp.MustCompile(`^(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)'?`)},
	{LackLibrary, regexp.MustCompile(`^Can't locate (\S+\.pm) in @INC`)},
	{LackLibrary, regexp.MustCompile(`^Package '?([\w.+-]+)'?(?:, required by '[^']*',)? (?:was )?not found`)},
	{LackLibrary, regexp.MustCompile(`^No package '([\w.+-]+)' found$`)},
	{LackNetwork, regexp.MustCompile(`()(?i:could not resolve (?:host|proxy)|temporary failure in name resolution|name or service not known|network is unreachable|unable to resolve host address` +
		`|no address associated with hostname|failed to connect to \S+ port|couldn't connect to server|unable to access 'https?://)`)},
}

// lackTokens are in every line that says that something is lacking.
var lackTokens = []string{"not found", "No such file", "nterpreter", "annot ", "esolve", "resolution", "unreachable", "not known", "hostname", "onnect to ",
	"No module named", "Can't ", "No package", "llvm-nm failed", "unable to access"}

const (
	maxLacks   = 8       // different ones of a step
	maxLacking = 1 << 20 // bytes of lines with a token that go through the patterns
)

var plainQuotes = strings.NewReplacer("‘", "'", "’", "'", "`", "'")

// noteLack keeps what a line says is lacking, each thing once, with the last line that says it.
func (d *diagnosis) noteLack(line string) {
	if d.lines++; !slices.ContainsFunc(lackTokens, func(t string) bool { return strings.Contains(line, t) }) || d.lacking > maxLacking {
		return
	}
	d.lacking += len(line)
	text := plainQuotes.Replace(line)
	for _, sign := range lackSigns {
		m := sign.words.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		l := saidLack{Lack{sign.kind, m[1], line}, d.lines}
		if i := slices.IndexFunc(d.lacks, func(o saidLack) bool { return o.Kind == l.Kind && o.Name == l.Name }); i >= 0 {
			d.lacks[i].at = l.at
		} else if len(d.lacks) < maxLacks {
			d.lacks = append(d.lacks, l)
		}
		return
	}
}

// saidLack is a Lack and the number of the line that said so last.
type saidLack struct {
	Lack
	at int
}

// Lacking finds in what a command printed that ran in tree's root what it says is not there, and truly is not.
func Lacking(tree *kernels.Tree, text string) (lacks []Lack) {
	v, err := lookAt(tree)
	if err != nil {
		return nil
	}
	var d diagnosis
	for line := range strings.Lines(text) {
		d.noteLack(clean(strings.TrimSuffix(line, "\n")))
	}
	for _, l := range (scene{Request{Tree: tree}, v}).absent(d.lacks) {
		lacks = append(lacks, l.Lack)
	}
	return lacks
}

// HasProgram reports whether tree's root has a program on its PATH, or cannot be looked at.
func HasProgram(tree *kernels.Tree, program string) bool {
	v, err := lookAt(tree)
	return err != nil || scene{Request{Tree: tree}, v}.has(program)
}

// plainProgram is a name that a program can have: a shell script with CR LF looks for others.
var plainProgram = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)

// scene is what surrounds a build when it is judged.
type scene struct {
	r    Request
	view *sandbox.View
}

// has reports whether the root has a program on its PATH.
func (s scene) has(program string) bool {
	for dir := range strings.SplitSeq(searchPath(), ":") {
		if _, err := s.view.Find(path.Join(dir, program)); err == nil {
			return true
		}
	}
	return false
}

// lookUp is how scripts ask whether there is a program.
const lookUp = `(?:\b(?:which|command\s+-[vV]|type(?:\s+-\w+)?|hash)\s+|\bAC_(?:PATH|CHECK)_(?:PROGS?|TOOLS?)\s*\(\[?\w+\]?,\s*)["'\[]*`

// looksFor reports whether the build's instructions look for a program of that name, by itself or as one of a list.
func (s scene) looksFor(program string) (found bool) {
	name := regexp.QuoteMeta(program) + `(?:[^\w.+-]|$)`
	asks := regexp.MustCompile(`(?m)(?:` + lookUp + `|^\s*(?:check|need|require)\w*\s+)` + name + `|\bfor \w+ in (?:[^;\n]*\s)?` + name + `(?s:.*)` + lookUp + `\$`)
	s.walk(instructions, func(file string) bool {
		found = asks.MatchString(s.read(file))
		return !found
	})
	return found
}

// absent are those of lacks that the root truly does not have. A script of the source that cannot be started stands for the program
// that its first line names; one that is not there is no lack of the root.
func (s scene) absent(lacks []saidLack) (absent []saidLack) {
	for _, l := range lacks {
		if l.Kind != LackProgram {
			absent = append(absent, l)
			continue
		}
		if _, err := s.view.Find(l.Name); path.IsAbs(l.Name) && err != nil && !strings.HasPrefix(l.Name, s.r.sandbox().at()+"/") {
			l.Name = path.Base(l.Name)
		} else if strings.Contains(l.Name, "/") {
			l.Name = s.interpreter(strings.TrimPrefix(l.Name, s.r.sandbox().at()+"/"))
		}
		if l.Name == "cc1plus" {
			l.Name = "g++"
		}
		if plainProgram.MatchString(l.Name) && !s.has(l.Name) && !s.r.brought(l.Name) {
			absent = append(absent, l)
		}
	}
	return absent
}

// interpreter is the program that the first line of a script in the copy of the source names; empty where there is none.
func (s scene) interpreter(script string) string {
	file, ok := s.r.inCopy(script)
	if !ok {
		return ""
	}
	built, err := os.OpenRoot(s.r.Dir)
	if err != nil {
		return ""
	}
	defer built.Close()
	f, err := kernels.OpenRegular(built, file)
	if err != nil {
		return ""
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, maxLine))
	first, _, _ := bytes.Cut(head, []byte("\n"))
	words := strings.Split(strings.TrimSpace(strings.TrimPrefix(string(first), "#!")), " ")
	if !bytes.HasPrefix(first, []byte("#!")) || len(words[0]) == 0 {
		return ""
	}
	if path.Base(words[0]) == "env" && len(words) > 1 {
		return words[len(words)-1]
	}
	return path.Base(words[0])
}
