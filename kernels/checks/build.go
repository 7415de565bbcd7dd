package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// The checks that compile the source.

// compilerLine is a line of gcc, clang or sparse.
var compilerLine = regexp.MustCompile(`^([^\s:][^:]*):(\d+):(?:\d+:)? (warning|error|fatal error): (.*?)(?: \[(-W[^\]]+)\])?$`)

// modpostLine is a line of modpost, which says nothing of places in the source.
var modpostLine = regexp.MustCompile(`^(WARNING|ERROR): modpost: (.*)$`)

// parseCompiler reads what compilers said in the log of a build. The rest of a log is make's and the Makefile's own, and anything.
func parseCompiler(out []byte) (found []results.Finding) {
	lines(out, func(line string) {
		if m := compilerLine.FindStringSubmatch(line); m != nil {
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: levelOf(m[3]), Kind: m[5], Message: m[4]})
		} else if m := modpostLine.FindStringSubmatch(line); m != nil {
			found = append(found, results.Finding{Level: levelOf(strings.ToLower(m[1])), Kind: "modpost", Message: m[2]})
		}
	})
	return found
}

func levelOf(word string) results.Level {
	if word == "warning" {
		return results.LevelWarning
	}
	return results.LevelError
}

// compilerFindings are those of a compiler, with a word for those that have none.
func compilerFindings(out []byte) []results.Finding {
	found := parseCompiler(out)
	for i, f := range found {
		if f.Kind == "" {
			found[i].Kind = string(f.Level)
		}
	}
	return found
}

// withW1 builds with the compiler's further warnings (Linux scripts/Makefile.extrawarn, or Makefile.warn). Those of the kernel's own files
// are noise.
func withW1(ctx context.Context, j *job, res *Result) error {
	out, art, err := j.build(ctx, res, "W=1")
	if err != nil {
		return err
	}
	j.take(res, compilerFindings(out))
	j.built = art
	return nil
}

// sparseRan is how make shows that it had a source checked, and how it does so with V=1.
var sparseRan = regexp.MustCompile(`(?m)^\s+CHECK\s|\b(?:sparse|smatch) .*-D__linux__|\bsparse -D`)

// errUnchecked says that the build never came to the checker.
var errUnchecked = errors.New("the build had nothing checked: its Makefile does not pass C=1 on to the kernel's build system")

// checked are the variables that have sources checked while they are compiled. The second is what the kernel's Makefile makes of the first:
// newer ones forget it where scripts/checker-valid.sh does not answer, which Debian's headers do not bring.
var checked = []string{"C=1", "KBUILD_CHECKSRC=1"}

// validScript says whether a checker is new enough for a kernel's headers; kernels have it where that is a question.
const validScript = "scripts/checker-valid.sh"

// tooOld says that the kernel's own script refuses a checker; empty where it does not, or there is no such script.
func (j *job) tooOld(ctx context.Context, checker string) (string, error) {
	if _, err := os.Stat(filepath.Join(j.Scripts.Dir, validScript)); j.Scripts.Dir == "" || err != nil {
		return "", nil
	}
	said, _, err := j.output(ctx, "sh", scriptsAt+"/"+validScript, checker)
	if err != nil || strings.TrimSpace(string(said)) == "1" {
		return "", err
	}
	return fmt.Sprintf("%s is too old for this kernel, whose %s refuses it", checker, path.Base(validScript)), nil
}

func sparse(ctx context.Context, j *job, res *Result) (err error) {
	if res.Missing, err = j.tooOld(ctx, "sparse"); err != nil || res.Missing != "" {
		return err
	}
	out, _, err := j.build(ctx, res, checked...)
	if err != nil {
		return err
	}
	if res.Fault == "" && !sparseRan.Match(out) {
		return errUnchecked
	}
	found, gaveUp := parseSparse(out)
	j.take(res, found)
	if gaveUp != "" {
		return errors.New("it gave up: " + gaveUp)
	}
	return nil
}

// parseSparse reads sparse's lines out of the log of a build: those of the compiler end with the option that made them, or begin with one of
// its own words. It gives up a file that has too many errors.
func parseSparse(out []byte) (found []results.Finding, gaveUp string) {
	for _, f := range parseCompiler(out) {
		switch {
		case f.Kind != "":
		case f.Message == "too many errors" || f.Message == "too many warnings":
			gaveUp = f.Message + " in " + f.File()
		default:
			f.Kind = sparseKind(f.Message)
			found = append(found, f)
		}
	}
	return found, gaveUp
}

// sparseKinds are words by which sparse's messages can be counted: it has no names for them itself.
var sparseKinds = []struct{ words, kind string }{
	{"should it be static", "not-static"}, {"incorrect type", "type"}, {"restricted", "endian"}, {"context imbalance", "context"},
	{"different address spaces", "address-space"}, {"removes address space", "address-space"}, {"plain integer as null pointer", "null"},
	{"dereference of noderef", "noderef"}, {"different base types", "type"}, {"undefined identifier", "undefined"}, {"shadows an earlier one", "shadow"},
}

func sparseKind(message string) string {
	message = strings.ToLower(message)
	for _, k := range sparseKinds {
		if strings.Contains(message, k.words) {
			return k.kind
		}
	}
	return "sparse"
}

func smatch(ctx context.Context, j *job, res *Result) error {
	out, _, err := j.build(ctx, res, append(slices.Clone(checked), "CHECK=smatch -p=kernel")...)
	if err != nil {
		return err
	}
	if res.Fault == "" && !sparseRan.Match(out) {
		return errUnchecked
	}
	j.take(res, parseSmatch(out))
	return nil
}

var smatchLine = regexp.MustCompile(`^([^\s:][^:]*):(\d+) (\S+\(\)) (warn|error): (.*)$`)

func parseSmatch(out []byte) (found []results.Finding) {
	lines(out, func(line string) {
		if m := smatchLine.FindStringSubmatch(line); m != nil {
			level := results.LevelWarning
			if m[4] == "error" {
				level = results.LevelError
			}
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: level, Kind: m[4], Message: m[3] + " " + m[5]})
		}
	})
	return found
}

// asClang are the variables with which a kernel that gcc compiled has modules compiled by clang: what its configuration knows of gcc would
// have its Makefiles pass options that clang does not know.
var asClang = []string{"CONFIG_CC_IS_GCC=", "CONFIG_CC_IS_CLANG=y", "CONFIG_LD_IS_BFD=", "CONFIG_LD_IS_LLD=y", "CONFIG_GCC_PLUGINS=", "CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_RETHUNK=", "CONFIG_MITIGATION_RETHUNK=",
	"CONFIG_FTRACE_MCOUNT_USE_CC=", "CONFIG_HAVE_NOP_MCOUNT=", "CONFIG_UBSAN_BOUNDS_STRICT=",
	"CONFIG_INIT_STACK_ALL_ZERO=", "CONFIG_MITIGATION_SLS=", "CONFIG_SLS=", "KCFLAGS=-Wno-unknown-warning-option",
	"CONFIG_CC_HAS_SANE_FUNCTION_ALIGNMENT=", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT="}

func clang(ctx context.Context, j *job, res *Result) error {
	vars := []string{"LLVM=1", "CC=clang", "LD=ld.lld", "W=1"} // Debian's headers name a gcc in any case
	if !j.Tree.Config.Enabled("CC_IS_CLANG") {
		vars = append(vars, asClang...)
	}
	out, _, err := j.build(ctx, res, vars...)
	if err != nil {
		return err
	}
	j.take(res, compilerFindings(out))
	if res.Fault != "" && !j.Tree.Config.Enabled("CC_IS_CLANG") && results.CountLevel(res.Findings, results.LevelError) == 0 {
		res.Missing = "clang cannot compile for this kernel, which is configured for gcc: " + oneLine(res.Fault)
		res.Fault, res.Findings = "", nil
	}
	return nil
}

// stackLimit is the most that a function may take of the stack in bytes before it is "a candidate for change" (Linux
// Documentation/process/submit-checklist.rst).
const stackLimit = 512

// notBuilt is why nothing is known of a module that W=1 did not build.
const notBuilt = "the module was not built"

func checkstack(ctx context.Context, j *job, res *Result) error {
	if j.built == nil || len(j.built.Modules) == 0 {
		res.Missing = notBuilt
		return nil
	}
	machine, ok := arch.OfMachine(j.Tree.Target.Arch)
	if !ok {
		return fmt.Errorf("architecture %s is not known", j.Tree.Target.Arch)
	}
	objdump := "objdump"
	for _, assignment := range j.Tree.Root.Make {
		if prefix, ok := strings.CutPrefix(assignment, "CROSS_COMPILE="); ok {
			objdump = prefix + objdump
		}
	}
	var found []results.Finding
	for _, m := range j.built.Modules {
		box := j.box(filepath.Dir(m.Path))
		out, exit, err := j.outputIn(ctx, box, "sh", "-c", `"$1" -d "$2" >/tmp/code && exec perl `+scriptsAt+`/scripts/checkstack.pl "$3" `+strconv.Itoa(stackLimit)+` </tmp/code`,
			"sh", objdump, "/build/"+filepath.Base(m.Path), machine.Name)
		if err != nil {
			return err
		}
		if exit != 0 {
			return fmt.Errorf("it ended with exit code %d: %s", exit, oneLine(lastLine(out)))
		}
		of, unread := parseStack(out)
		if err := errUnread(unread); err != nil {
			return err
		}
		found = append(found, of...)
	}
	for _, f := range found {
		f.Where = j.definition(f.Where)
		res.Findings = append(res.Findings, f)
	}
	return nil
}

var stackLine = regexp.MustCompile(`^0x[0-9a-f]+ (\S+)(?: \[.*\])?:\s+(Dynamic \(0x[0-9a-f]+\)|\d+)$`)

// parseStack reads checkstack's lines; Where is the function, and not its place.
func parseStack(out []byte) (found []results.Finding, unread []string) {
	lines(out, func(line string) {
		m := stackLine.FindStringSubmatch(line)
		if m == nil {
			if line != "" {
				unread = append(unread, line)
			}
			return
		}
		if size, err := strconv.Atoi(m[2]); err == nil && size <= stackLimit {
			return // older scripts take no limit
		}
		found = append(found, results.Finding{Where: m[1], Level: results.LevelWarning, Kind: "stack", Message: fmt.Sprintf("%s takes %s bytes of the stack", m[1], m[2])})
	})
	return found, unread
}

// definition is where a function is defined, as far as a look at the text shows; empty where it does not.
func (j *job) definition(function string) string {
	name, _, _ := strings.Cut(function, ".") // the compiler's own suffix, .constprop.0
	begins := regexp.MustCompile(`^[A-Za-z_][^;={}]*\b` + regexp.QuoteMeta(name) + `\s*\([^;]*$`)
	for _, file := range j.files {
		text, err := j.read(file)
		if err != nil || !bytes.Contains(text, []byte(name)) {
			continue
		}
		n, where := 0, 0
		lines(text, func(line string) {
			if n++; where == 0 && begins.MatchString(line) {
				where = n
			}
		})
		if where > 0 {
			return j.shown(file) + ":" + strconv.Itoa(where)
		}
	}
	return ""
}
