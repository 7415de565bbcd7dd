package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joshdk/go-junit"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/modmatrix/modmatrix/results"
)

// formats are the writers of whole documents, but for GitHub's, which writes two.
var formats = map[string]func(io.Writer, *results.Results) error{
	"md": Markdown, "junit": JUnit, "ktap": KTAP, "gitlab": GitLab, "kcidb": KCIDB, "badge": Badge,
	"mail": func(w io.Writer, r *results.Results) error {
		return Mail(w, &results.Collection{Module: r.Module, Own: r}, Whole{})
	},
	"html":   func(w io.Writer, r *results.Results) error { return HTML(w, r, nil) },
	"github": func(w io.Writer, r *results.Results) error { return GitHub(w, w, r) },
}

func write(t testing.TB, format string, r *results.Results) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := formats[format](&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFormats(t *testing.T) {
	for name := range formats {
		if name != "md" { // has golden files of its own
			golden(t, "everything."+name, write(t, name, everything(t)))
		}
	}
}

// Every cell is a suite with a case for its verdict, as a parser of somebody else's sees it, and no name is there twice: GitLab drops
// the second.
func TestJUnitIsRead(t *testing.T) {
	r := everything(t)
	twin := r.Records[0]
	twin.Target.Source = "debian:trixie-security"
	r.Records = append(r.Records, twin)
	r.Finish()
	suites, err := junit.Ingest(write(t, "junit", r))
	if err != nil {
		t.Fatal(err)
	}
	records := r.Matrix().Records()
	if len(suites) != len(records) {
		t.Fatalf("%d suites, want one for each of %d cells", len(suites), len(records))
	}
	seen := map[string]bool{}
	for i, s := range suites {
		want := map[results.Status]junit.Status{results.Pass: junit.StatusPassed, results.Fail: junit.StatusFailed, results.Skip: junit.StatusSkipped,
			results.Error: junit.StatusError, results.Miss: junit.StatusError}
		if got := s.Tests[0].Status; s.Tests[0].Name != "verdict" || got != want[records[i].Status] {
			t.Errorf("%s: the verdict is read as %s, want %s", s.Name, got, want[records[i].Status])
		}
		if len(s.Tests) != len(records[i].Specs)+1 || s.Totals.Tests != len(s.Tests) {
			t.Errorf("%s: %d cases of %d specs", s.Name, len(s.Tests), len(records[i].Specs))
		}
		for n, c := range s.Tests {
			if id := c.Classname + " " + c.Name; seen[id] {
				t.Errorf("%s is there twice", id)
			} else {
				seen[id] = true
			}
			if n > 0 && c.Status != want[records[i].Specs[n-1].Status] {
				t.Errorf("%s %s is read as %s", c.Classname, c.Name, c.Status)
			}
		}
	}
}

// The kernel's own parser (tools/testing/kunit/kunit.py of a source tree, at KUNIT) counts what we count.
func TestKTAPIsRead(t *testing.T) {
	if os.Getenv("KUNIT") == "" {
		t.Skip("KUNIT names no kunit.py: make readers")
	}
	path := filepath.Join(t.TempDir(), "ktap")
	r := everything(t)
	if err := os.WriteFile(path, write(t, "ktap", r), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("python3", os.Getenv("KUNIT"), "parse", path).CombinedOutput() // fails where a test does
	want := map[string]int{}
	for _, rec := range r.Matrix().Records() {
		for _, s := range steps(rec) {
			want[map[results.Status]string{results.Pass: "passed", results.Fail: "failed", results.Skip: "skipped", results.Error: "failed", results.Miss: "failed"}[s.status]]++
		}
	}
	text := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(string(out), "")
	total := regexp.MustCompile(`Testing complete\.[^\n]*`).FindString(text)
	for word, n := range want {
		if !strings.Contains(total, fmt.Sprintf("%s: %d", word, n)) {
			t.Errorf("want %d %s, kunit.py says %q", n, word, total)
		}
	}
	if strings.Contains(text, "[ERROR]") {
		t.Errorf("kunit.py: %s", text)
	}
}

// Structure, as Documentation/dev-tools/ktap.rst has it: what is planned is there, in order, and a subtest before its parent.
func TestKTAPHasItsPlan(t *testing.T) {
	left := map[string][2]int{} // by indent: the number of the last line, and of lines planned
	for line := range strings.Lines(string(write(t, "ktap", everything(t)))) {
		text := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(text)]
		var n int
		plan := left[indent]
		switch {
		case strings.HasPrefix(text, "KTAP version 1"), strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "1.."):
			if plan[0] != plan[1] {
				t.Fatalf("a plan follows %d of %d", plan[0], plan[1])
			}
			fmt.Sscanf(text, "1..%d", &n)
			left[indent] = [2]int{0, n}
		default:
			if _, err := fmt.Sscanf(strings.TrimPrefix(text, "not "), "ok %d ", &n); err != nil || n != plan[0]+1 || n > plan[1] {
				t.Fatalf("%q is not line %d of %d: %v", line, plan[0]+1, plan[1], err)
			}
			left[indent] = [2]int{n, plan[1]}
		}
	}
	for indent, plan := range left {
		if plan[0] != plan[1] {
			t.Errorf("at indent %d: %d of %d", len(indent), plan[0], plan[1])
		}
	}
}

// KCIDB's own schema (kcidb_io/schema/v05_03.py as JSON, at KCIDB_SCHEMA) has nothing against it.
func TestKCIDBIsValid(t *testing.T) {
	if os.Getenv("KCIDB_SCHEMA") == "" {
		t.Skip("KCIDB_SCHEMA names no schema: make readers")
	}
	schema, err := jsonschema.NewCompiler().Compile(os.Getenv("KCIDB_SCHEMA"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*results.Results{everything(t), spoken("::error::\x00\xff|`<b>"), {}} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(write(t, "kcidb", r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// A reader of GitHub's markdown sees one table, code and lists, and no link, picture or HTML.
func TestMarkdownIsRead(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	for _, r := range []*results.Results{everything(t), spoken("<script>alert(1)</script> [x](http://e) ![y](z) @all `a` | b http://e.example")} {
		var html bytes.Buffer
		if err := md.Convert(write(t, "md", r), &html); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(html.String(), "<table>"); n != 1 {
			t.Errorf("%d tables", n)
		}
		if rows := strings.Count(html.String(), "<tr>"); rows != len(r.Matrix().Rows)+1 {
			t.Errorf("%d rows of %d kernels", rows, len(r.Matrix().Rows))
		}
		if bad := regexp.MustCompile(`<(?:a|img|script|em|del|input|!--)[ >]`).FindString(html.String()); bad != "" {
			t.Errorf("it makes %s of what a stranger wrote:\n%s", bad, html.String())
		}
	}
}

// GitHub shows ten annotations of a step, and no summary that is larger than a mebibyte.
func TestGitHubLimits(t *testing.T) {
	r := everything(t)
	for i := range 1500 {
		rec := r.Records[len(r.Records)-1]
		rec.Target.Release, rec.Target.Source, rec.Status, rec.Reason = fmt.Sprintf("7.9.%d", i), "debian:sid", results.Fail, fmt.Sprintf("fault %d%s", i, strings.Repeat("x", 800))
		r.Records = append(r.Records, rec)
	}
	r.Finish()
	var log, summary bytes.Buffer
	if err := GitHub(&log, &summary, r); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 10 || !strings.HasPrefix(lines[0], "::error ") || !strings.Contains(lines[9], "more causes") {
		t.Errorf("%d annotations, the last %q", len(lines), lines[len(lines)-1])
	}
	if summary.Len() > 1<<20 || !bytes.Contains(summary.Bytes(), []byte("more lines, in results.json")) {
		t.Errorf("a summary of %d bytes", summary.Len())
	}
}

// Each issue of GitLab's report has all that the format asks for, and a fingerprint of its own.
func TestGitLabIsWhole(t *testing.T) {
	var issues []codeQuality
	if err := json.Unmarshal(write(t, "gitlab", everything(t)), &issues); err != nil {
		t.Fatal(err)
	}
	var prints []string
	for _, issue := range issues {
		if issue.Description == "" || issue.CheckName == "" || issue.Location.Path == "" || issue.Location.Lines.Begin < 1 || !slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, issue.Severity) {
			t.Errorf("not whole: %+v", issue)
		}
		prints = append(prints, issue.Fingerprint)
	}
	slices.Sort(prints)
	if len(issues) < 5 || len(slices.Compact(prints)) != len(issues) {
		t.Errorf("%d issues, some with the same fingerprint: %v", len(issues), prints)
	}
}
