package field

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

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
