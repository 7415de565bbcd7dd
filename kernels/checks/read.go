package checks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// The checks that read the source, by the kernel's scripts and by programs of the root. Each has a parser, which returns the findings and
// the lines that it does not understand.

// errNoFiles is for a source in which nothing is to be read.
var errNoFiles = errors.New("the module's folder has no C source that is checked")

// onFiles runs a command on all files, and has what it said parsed. ok says which exit codes are no failure of the tool itself.
func (j *job) onFiles(ctx context.Context, res *Result, parse func([]byte) ([]results.Finding, []string), ok func(exit int) bool, command ...string) error {
	if len(j.files) == 0 {
		return errNoFiles
	}
	out, exit, err := j.output(ctx, append(command, j.files...)...)
	if err != nil {
		return err
	}
	found, unread := parse(out)
	if !ok(exit) {
		return fmt.Errorf("it ended with exit code %d: %s", exit, oneLine(lastLine(out)))
	}
	j.take(res, found)
	return errUnread(unread)
}

func lastLine(out []byte) (last string) {
	lines(out, func(line string) {
		if strings.TrimSpace(line) != "" {
			last = line
		}
	})
	return last
}

func exits(codes ...int) func(int) bool {
	return func(exit int) bool {
		for _, c := range codes {
			if exit == c {
				return true
			}
		}
		return false
	}
}

func checkpatch(ctx context.Context, j *job, res *Result) error {
	return j.onFiles(ctx, res, ParseCheckpatch, exits(0, 1), "perl", scriptsAt+"/scripts/checkpatch.pl", "--root="+scriptsAt,
		"--strict", "--terse", "--show-types", "--summary-file", "--color=never", "-f")
}

var (
	checkpatchLine = regexp.MustCompile(`^(.+?):(\d+): (ERROR|WARNING|CHECK):([A-Z0-9_]+): (.*)$`)
	checkpatchSum  = regexp.MustCompile(`^(.+) total: (\d+) errors, (\d+) warnings, (?:(\d+) checks, )?\d+ lines checked$`)
	// checkpatchNote is what it says of itself where a file of the kernel's source is not there.
	checkpatchNote = regexp.MustCompile(`^No (structs that should be const|typos|codespell typos) will be found`)
	checkpatchWord = map[string]results.Level{"ERROR": results.LevelError, "WARNING": results.LevelWarning, "CHECK": results.LevelNote}
)

// ParseCheckpatch reads what checkpatch.pl writes with --terse --show-types --summary-file. The sums that it states must be those of its lines, or else it was not read right.
func ParseCheckpatch(out []byte) (found []results.Finding, unread []string) {
	count, sums := map[results.Level]int{}, 0
	lines(out, func(line string) {
		if m := checkpatchSum.FindStringSubmatch(line); m != nil {
			sums++
			for i, level := range results.Levels {
				stated, _ := strconv.Atoi(m[2+i])
				if count[level] != stated && (m[2+i] != "" || level != results.LevelNote) {
					unread = append(unread, line)
					break
				}
			}
			clear(count)
			return
		}
		m := checkpatchLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			level := checkpatchWord[m[3]]
			count[level]++
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: level, Kind: m[4], Message: m[5]})
		case line != "" && !checkpatchNote.MatchString(line):
			unread = append(unread, line)
		}
	})
	if sums == 0 && len(found) > 0 { // of a file without findings it says nothing at all
		unread = append(unread, "no sum behind: "+found[len(found)-1].Where)
	}
	return found, unread
}

func codespell(ctx context.Context, j *job, res *Result) error {
	return j.onFiles(ctx, res, parseCodespell, exits(0, 65), "codespell")
}

var codespellLine = regexp.MustCompile(`^(.+?):(\d+): (.+ ==> .+)$`)

func parseCodespell(out []byte) (found []results.Finding, unread []string) {
	lines(out, func(line string) {
		if m := codespellLine.FindStringSubmatch(line); m != nil {
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: results.LevelWarning, Kind: "spelling", Message: m[3]})
		} else if line != "" {
			unread = append(unread, line)
		}
	})
	return found, unread
}

func includecheck(ctx context.Context, j *job, res *Result) error {
	err := j.onFiles(ctx, res, parseIncludes, exits(0), "perl", scriptsAt+"/scripts/checkincludes.pl")
	for i, f := range res.Findings {
		res.Findings[i].Where = j.secondInclude(f)
	}
	return err
}

var includeLine = regexp.MustCompile(`^(.+?): (\S+) is included more than once\.$`)

func parseIncludes(out []byte) (found []results.Finding, unread []string) {
	lines(out, func(line string) {
		if m := includeLine.FindStringSubmatch(line); m != nil {
			found = append(found, results.Finding{Where: m[1], Level: results.LevelWarning, Kind: "include", Message: m[2] + " is included more than once"})
		} else if line != "" && line != "No duplicate includes found." && !strings.HasPrefix(line, "Total ") {
			unread = append(unread, line)
		}
	})
	return found, unread
}

var includeOf = regexp.MustCompile(`^\s*#\s*include\s*[<"](\S*)[>"]`)

// secondInclude is the line of the second include of the file that f is about; the script names none.
func (j *job) secondInclude(f results.Finding) string {
	header, _, _ := strings.Cut(f.Message, " ")
	text, err := j.read(filepath.Join(j.Source.Folder, f.Where))
	if err != nil {
		return f.Where
	}
	n, times, where := 0, 0, f.Where
	lines(text, func(line string) {
		n++
		if m := includeOf.FindStringSubmatch(line); m != nil && m[1] == header {
			if times++; times == 2 {
				where = f.Where + ":" + strconv.Itoa(n)
			}
		}
	})
	return where
}

func kernelDoc(ctx context.Context, j *job, res *Result) error {
	return j.onFiles(ctx, res, parseKernelDoc, func(exit int) bool { return exit < 100 }, scriptsAt+"/scripts/kernel-doc", "-none")
}

var (
	kernelDocOld = regexp.MustCompile(`^(.+?):(\d+): (warning|error|info): (.*)$`)
	kernelDocNew = regexp.MustCompile(`^(Warning|Error|Info): (.+?):(\d+) (.*)$`)
	// kernelDocSum is how it ends with -Werror, or where it is asked to be verbose.
	kernelDocSum = regexp.MustCompile(`^\d+ (?:warnings|errors)(?: as errors)?$`)
)

// parseKernelDoc reads what kernel-doc says of comments: in the words of the script in Perl, and in those of the one in Python, which is
// in kernels since 6.16 and says some of it twice.
func parseKernelDoc(out []byte) (found []results.Finding, unread []string) {
	lines(out, func(line string) {
		m := kernelDocOld.FindStringSubmatch(line)
		if n := kernelDocNew.FindStringSubmatch(line); n != nil {
			m = []string{"", n[2], n[3], strings.ToLower(n[1]), n[4]}
		}
		switch {
		case m != nil && m[3] == "info":
		case m != nil:
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: results.Level(m[3]), Kind: "kernel-doc", Message: m[4]})
		case line != "" && !kernelDocSum.MatchString(line):
			unread = append(unread, line)
		}
	})
	return found, unread
}

// spdxScript puts the kernel's licenses where spdxcheck looks for them: in a git repository, the folder that it works in.
const spdxScript = `set -e
cd /tmp && mkdir licenses && cd licenses
cp -r ` + scriptsAt + `/LICENSES .
git init -q . && git add LICENSES && git -c user.name=modmatrix -c user.email= commit -q -m licenses
cd /tmp/licenses && exec python3 ` + scriptsAt + `/scripts/spdxcheck.py "$@"`

func spdx(ctx context.Context, j *job, res *Result) error {
	if len(j.files) == 0 {
		return errNoFiles
	}
	command := []string{"sh", "-c", spdxScript, "sh"}
	for _, name := range j.files {
		command = append(command, "/build/"+name)
	}
	out, exit, err := j.output(ctx, command...)
	if err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("it ended with exit code %d: %s", exit, oneLine(lastLine(out)))
	}
	found, unread := parseSPDX(out)
	j.take(res, found)
	for _, name := range j.files {
		if text, err := j.read(name); err == nil && !hasSPDX(text) {
			res.Findings = append(res.Findings, results.Finding{Where: j.shown(name) + ":1", Level: results.LevelWarning, Kind: "missing", Message: "no SPDX-License-Identifier in the first lines"})
		}
	}
	return errUnread(unread)
}

var spdxLine = regexp.MustCompile(`^(.+?): (\d+):\d+ (.*)$`)

func parseSPDX(out []byte) (found []results.Finding, unread []string) {
	lines(out, func(line string) {
		if m := spdxLine.FindStringSubmatch(line); m != nil {
			found = append(found, results.Finding{Where: m[1] + ":" + m[2], Level: results.LevelError, Kind: "expression", Message: m[3]})
		} else if line != "" {
			unread = append(unread, line)
		}
	})
	return found, unread
}

// spdxLines are the lines in which spdxcheck looks for an identifier (Linux scripts/spdxcheck.py, --maxlines).
const spdxLines = 15

func hasSPDX(text []byte) (has bool) {
	n := 0
	lines(text, func(line string) {
		if n++; n <= spdxLines && strings.Contains(line, "SPDX-License-Identifier:") {
			has = true
		}
	})
	return has
}
