// Package field has no code of its own: its tests hold modmatrix against what authors of drivers really have, small cases
// in cases/ and whole drivers listed in drivers.json. See the README.
package field

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// want is what must be so of one kernel. A REFUSED stands for no record, and exit code 2.
type want struct {
	Kernel    string   `json:"kernel"`
	Status    oneOf    `json:"status"`
	Stage     oneOf    `json:"stage"`
	Code      oneOf    `json:"code"`
	ReasonHas []string `json:"reason_has"`
	ReasonNot []string `json:"reason_not"`
	NoteHas   []string `json:"note_has"`
	SpecsPass int      `json:"specs_pass"`
}

// fieldCase is an expect.json.
type fieldCase struct {
	Class   any      `json:"class"`
	About   string   `json:"about"`
	Verb    string   `json:"verb"`
	Module  string   `json:"module"`
	Args    []string `json:"args"`
	Expect  []want   `json:"expect"`
	SaysHas []string `json:"says_has"`
	SaysNot []string `json:"says_not"`
	Exit    codes    `json:"exit"`
	Oracle  string   `json:"oracle"`
}

type oneOf []string

// UnmarshalJSON reads one word, or a list of which each will do.
func (o *oneOf) UnmarshalJSON(data []byte) error { return oneOrMore((*[]string)(o), data) }

type codes []int

func (c *codes) UnmarshalJSON(data []byte) error { return oneOrMore((*[]int)(c), data) }

func oneOrMore[T any](list *[]T, data []byte) error {
	if bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, list)
	}
	*list = make([]T, 1)
	return json.Unmarshal(data, &(*list)[0])
}

// quick are the cases that every change is held against: one of each class, on one kernel.
var quick = []string{
	"big-module", "blob-object", "builtin-name", "git-head", "include-top", "one-nodev", "request-own", "sibling-symbols", "tar-packaging",
	"tool-xxd", "twin-modules", "usr-src-prebuild", "wrapper-config",
}

// TestRealField is a dozen of the cases.
func TestRealField(t *testing.T) {
	runCases(t, func(name string) bool { return slices.Contains(quick, name) }, 1)
}

// TestField is all of them, or those that FIELD_ONLY matches.
func TestField(t *testing.T) {
	runCases(t, regexp.MustCompile(os.Getenv("FIELD_ONLY")).MatchString, 99)
}

func runCases(t *testing.T, chosen func(name string) bool, kernels int) {
	needReal(t)
	paths, _ := filepath.Glob("cases/*/expect.json")
	n := 0
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		if !chosen(name) {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c fieldCase
			readJSON(t, path, &c)
			c.Expect = c.Expect[:min(kernels, len(c.Expect))]
			dir := filepath.Join(t.TempDir(), name)
			prepare(t, filepath.Dir(path), dir)
			c.run(t, dir)
		})
	}
	if n == 0 {
		t.Error("no case has such a name")
	}
}

// TestCasesAreWhole reads every expectation, strictly, and every pattern in it.
func TestCasesAreWhole(t *testing.T) {
	paths, _ := filepath.Glob("cases/*/expect.json")
	for _, path := range paths {
		var c fieldCase
		readJSON(t, path, &c)
		patterns := slices.Concat(c.SaysHas, c.SaysNot)
		for _, w := range c.Expect {
			patterns = slices.Concat(patterns, w.ReasonHas, w.ReasonNot, w.NoteHas)
			if len(w.Status) == 0 || w.Kernel == "" {
				t.Errorf("%s: a kernel without a name or a status", path)
			}
		}
		for _, p := range patterns {
			if _, err := regexp.Compile(p); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if c.About == "" || c.Oracle == "" || len(c.Expect) == 0 || c.Verb == "" {
			t.Errorf("%s: lacks a verb, a kernel, what it is about, or its oracle", path)
		}
	}
	for _, name := range quick {
		if !slices.Contains(paths, filepath.Join("cases", name, "expect.json")) {
			t.Errorf("no case %s", name)
		}
	}
}

// prepare copies a case to dir, without its expectation, and runs its setup.sh there.
func prepare(t *testing.T, from, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	setup := filepath.Join(t.TempDir(), "setup.sh")
	if err := os.Remove(filepath.Join(dir, "expect.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "setup.sh"), setup); errors.Is(err, os.ErrNotExist) {
		return // the folder is the case as it is
	} else if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", setup)
	cmd.Dir, cmd.Env = dir, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("setup.sh: %v\n%s", err, out)
	}
}

func (c *fieldCase) run(t *testing.T, dir string) {
	out := filepath.Join(t.TempDir(), "out")
	args := []string{c.Verb, cmp.Or(c.Module, "."), "-o", out, "--color", "never", "-j", "1", "--no-cache"}
	for _, w := range c.Expect {
		args = append(args, "-k", w.Kernel)
	}
	text, exit := modmatrix(t, dir, append(args, c.Args...)...)
	text = strings.ReplaceAll(strings.ReplaceAll(text, dir+"/", ""), dir, ".")
	var res results.Results
	if _, err := os.Stat(filepath.Join(out, "results.json")); err == nil {
		readJSON(t, filepath.Join(out, "results.json"), &res)
	}
	var short []string
	for _, w := range c.Expect {
		short = append(short, w.differs(&res, exit, text)...)
	}
	short = append(short, lacks("the output", []string{text}, c.SaysHas)...)
	short = append(short, has("the output", text, c.SaysNot)...)
	if len(c.Exit) > 0 && !slices.Contains(c.Exit, exit) {
		short = append(short, fmt.Sprintf("want exit code %v, got %d", c.Exit, exit))
	}
	if len(short) > 0 {
		t.Errorf("%s\n%s\n%s", c.About, strings.Join(short, "\n"), text)
	}
}

// differs lists what is not so, of the kernel, in the results.
func (w want) differs(res *results.Results, exit int, text string) (short []string) {
	var notes []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "note ") {
			notes = append(notes, line)
		}
	}
	status, stage, code, reason, passed := "", "", "", "", 0
	if i := slices.IndexFunc(res.Records, w.is); i >= 0 {
		rec := res.Records[i]
		status, stage, code, reason = string(rec.Status), string(rec.Stage), string(rec.Code), rec.Reason
		notes = append(notes, rec.Notes...)
		for _, s := range rec.Specs {
			if s.Status == results.Pass {
				passed++
			}
		}
	} else if exit == 2 {
		status, reason = "REFUSED", text
	}
	differs := func(what string, want oneOf, got string) {
		if len(want) > 0 && !slices.Contains(want, got) {
			short = append(short, fmt.Sprintf("%s: want %s %s, got %q", w.Kernel, what, strings.Join(want, " or "), got))
		}
	}
	differs("status", w.Status, status)
	if status != string(results.Pass) {
		differs("stage", w.Stage, stage)
		differs("code", w.Code, code)
		short = append(short, lacks("the reason "+reason, []string{reason}, w.ReasonHas)...)
		short = append(short, has("the reason "+reason, reason, w.ReasonNot)...)
	}
	if passed < w.SpecsPass {
		short = append(short, fmt.Sprintf("%s: want %d passed specs or more, got %d", w.Kernel, w.SpecsPass, passed))
	}
	return append(short, lacks("the notes", notes, w.NoteHas)...)
}

// is says whether the record is of the kernel.
func (w want) is(rec results.Record) bool {
	base, _, _ := strings.Cut(w.Kernel, "@")
	source, flavour, _ := strings.Cut(base, "/")
	from, _, _ := strings.Cut(rec.Target.Source, "/")
	from, _, _ = strings.Cut(from, "@")
	return from == source && rec.Target.Flavour == cmp.Or(flavour, "amd64")
}

func lacks(what string, texts, patterns []string) (short []string) {
	for _, p := range patterns {
		if !slices.ContainsFunc(texts, regexp.MustCompile(p).MatchString) {
			short = append(short, fmt.Sprintf("nothing in %s is like /%s/", what, p))
		}
	}
	return short
}

func has(what, text string, patterns []string) (short []string) {
	for _, p := range patterns {
		if regexp.MustCompile(p).MatchString(text) {
			short = append(short, fmt.Sprintf("%s has /%s/", what, p))
		}
	}
	return short
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if filepath.Base(path) != "results.json" {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func needReal(t *testing.T) {
	t.Helper()
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("builds for real kernels and boots them: set MODMATRIX_REAL=1")
	}
}

// environment is without what the user's own git would add.
func environment() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C.UTF-8")
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "modmatrix-field-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "modmatrix")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/modmatrix").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build modmatrix: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("MODMATRIX_REAL") != "" {
		if path, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// modmatrix runs the program in dir and returns all that it printed, and its exit code.
func modmatrix(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Dir, cmd.Env = dir, environment()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run modmatrix: %v\n%s", err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
