package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/results"
)

// spoken is a matrix in which every text that a stranger can choose is s: a module, a compiler, a guest, a file that
// somebody sent.
func spoken(s string) *results.Results {
	where := results.Target{Release: s, Version: s, Arch: s, Flavour: s, Profile: s, Source: s, ConfigDigest: s, Compiler: s}
	spec := results.Spec{Name: s, Status: results.Fail, Message: s, Location: s}
	rec := results.Record{Target: where, Suite: s, Status: results.Fail, Stage: results.StageTest, Code: results.Code(s), Reason: s, Specs: []results.Spec{spec},
		Splats: []results.Splat{{Title: s, Kind: s, Fingerprint: s, Where: s, Stage: results.StageTest, Spec: s, Excerpt: s, Line: 7}}, Notes: []string{s},
		Artifacts: results.Artifacts{BuildLog: s, Console: s, Specs: s}}
	rec.Hardware = []results.Device{{Bus: s, ID: s, Driver: s, Name: s, Description: s, Own: true}}
	rec.Firmware = []string{s}
	build, boot, skip, quiet := rec, rec, rec, rec
	build.Target.Release, build.Stage, build.Code = s+"1", results.StageBuild, results.CodeBuildError
	boot.Target.Release, boot.Status, boot.Stage, boot.Code = s+"2", results.Error, results.StageBoot, results.CodeInfra
	skip.Target.Release, skip.Status, skip.Code = s+"3", results.Skip, results.CodeExcluded
	quiet.Target.Release, quiet.Reason, quiet.Specs = s+"4", "", nil
	r := &results.Results{Run: results.Run{ID: s, Tool: s, PlanDigest: s, Host: results.Host{Arch: s, Accelerator: s, CPUModel: s, QEMU: s}, Asked: results.Asked{Words: []string{s, s}, Focus: s, Suites: map[string]string{s: s}}, Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)},
		Module: results.Module{Name: s, Version: s, SourceDigest: s, Git: &results.Git{Commit: s}}, Records: []results.Record{rec, build, boot, skip, quiet}}
	r.Finish()
	r.Since = &results.Since{Run: s, Started: s, Changes: []results.SinceChange{{Kind: results.ChangeKind(s), Target: s, Suite: s, Was: results.Status(s), On: s}}}
	return r
}

// shows says whether a reader sees r: fillers and joiners print nothing.
func shows(r rune) bool {
	return unicode.IsPrint(r) && !strings.ContainsRune("\u034f\u115f\u1160\u2800\u3164\uffa0", r)
}

// harmless says what of text could do more than be read.
func harmless(t *testing.T, who, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8", who)
	}
	for _, r := range text {
		if r != '\n' && !shows(r) {
			t.Errorf("%s: %q came through", who, r)
			break
		}
	}
	for _, command := range []string{"##[", "##vso[", "##teamcity["} {
		if strings.Contains(text, command) {
			t.Errorf("%s: a CI would obey %s", who, command)
		}
	}
	for line := range strings.Lines(text) {
		if start := strings.TrimSpace(line); strings.HasPrefix(start, "::") {
			t.Errorf("%s: a CI would obey %.80q", who, start)
		}
		if len(line) > 32<<10 {
			t.Errorf("%s: a line of %d bytes", who, len(line))
		}
	}
}

var (
	ownColour = regexp.MustCompile("\x1b\\[[0-9;]*m")
	codeTicks = regexp.MustCompile("`+")
)

// outsideCode gives what of a line of markdown is no code span (GFM §6.3): a run of backticks up to the next run of the
// same length. In a table, a bar that no backslash is before ends every span.
func outsideCode(line string) string {
	if strings.HasPrefix(line, "|") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), "|")
		for i, c := range cells {
			cells[i] = outsideSpans(c)
		}
		return strings.Join(cells, "|")
	}
	return outsideSpans(line)
}

func outsideSpans(s string) string {
	var out strings.Builder
	for {
		open := codeTicks.FindStringIndex(s)
		if open == nil {
			return out.String() + s
		}
		out.WriteString(s[:open[0]])
		fence, rest := s[open[0]:open[1]], s[open[1]:]
		end := -1
		for _, run := range codeTicks.FindAllStringIndex(rest, -1) {
			if run[1]-run[0] == len(fence) {
				end = run[1]
				break
			}
		}
		if end < 0 { // no span: the backticks are text
			out.WriteString(fence)
			end = 0
		}
		s = rest[end:]
	}
}

func FuzzWritersLetNothingThrough(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "\x1b[2J", "\x1b]8;;http://e\x07x\x1b]8;;\x07", "\x1b]52;c;cm0=\x07", "\x9b31m", "\u009b31m", "a\rb", "a\r\nb", "\x00\xff\xfe",
		"::error file=a::b", " ::set-output name=a::b", "\n::stop-commands::x", "##[error]", "##vso[task.complete]", "##teamcity[x]", "###", "#", "-##vso[",
		"\u202egnp.exe", "\u2066\u2069\u200f", "\u200b\u200d\ufeff", "\u3164\u115f\u2800", "\U000e0041", "a\u0301\u0301\u0301",
		"`", "``", "` `", "a|b", `a\|b`, `\`, `\\|`, "|", "<script>alert(1)</script>", "<!--", "@all", "![x](http://e/x.png)", "[x](javascript:1)", "**b**", "# x", "- x", "---", "&lt;",
		"$(reboot)", "'; reboot; '", strings.Repeat("x", 20_000), strings.Repeat("\u202e", 2_000), strings.Repeat("`", 700), "\U0001f600", "\ufffd",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const mark = "eVIl" // distinguishes foreign text from our own
		r := spoken(mark + s)
		for _, width := range []int{0, 20, 80} {
			harmless(t, "text", text(t, r, Options{Width: width}))
			coloured := text(t, r, Options{Width: width, Color: true})
			harmless(t, "coloured text", ownColour.ReplaceAllString(coloured, ""))
		}
		harmless(t, "text of foreign text alone", text(t, spoken(s), Options{}))
		var md bytes.Buffer
		if err := Markdown(&md, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, "markdown", md.String())
		for line := range strings.Lines(md.String()) {
			if out := outsideCode(line); strings.Contains(out, mark) {
				t.Errorf("markdown: foreign text outside of code: %.200q", out)
			}
		}
		for name := range formats {
			harmlessDocument(t, name, string(write(t, name, r)), mark)
		}
		var doc bytes.Buffer
		if err := json.NewEncoder(results.PlainJSON(&doc)).Encode(r); err != nil {
			t.Fatal(err)
		}
		for _, c := range doc.String() {
			if c != '\n' && !shows(c) {
				t.Fatalf("json: %q came through", c)
			}
		}
		var back results.Results
		if err := json.Unmarshal(doc.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(s) && !reflect.DeepEqual(back.Records, r.Records) {
			t.Errorf("json: not what it was")
		}
	})
}

// harmlessDocument says what of a document of that format could do more than be read.
func harmlessDocument(t *testing.T, format, text, mark string) {
	t.Helper()
	switch format {
	case "md": // looked at above
		return
	case "github": // the only one that has commands, and no others than its own
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "::") {
				if !githubCommand.MatchString(line) {
					t.Errorf("github: a command of somebody else's: %.200q", line)
				}
				text = strings.Replace(text, line, "", 1)
			}
		}
	case "html":
		if found := foreignHTML(text); len(found) > 0 {
			t.Errorf("html: %.300q", found)
		}
		return // its script is of several lines, with tabs
	case "junit", "badge":
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if start, ok := token.(xml.StartElement); ok && !slices.Contains(ownElements, start.Name.Local) || strings.Contains(start.Name.Local, mark) {
				t.Errorf("%s: an element %q of somebody else's", format, start.Name.Local)
			}
		}
	case "gitlab", "kcidb":
		if !json.Valid([]byte(text)) {
			t.Errorf("%s: no JSON", format)
		}
	case "ktap":
		for line := range strings.Lines(text) {
			if !ktapLine.MatchString(line) {
				t.Errorf("ktap: %.200q", line)
			}
		}
	}
	harmless(t, format, text)
}

var (
	githubCommand = regexp.MustCompile(`^::(?:error|warning) (?:file=[^,:\s]+,line=[0-9]+,)?title=[^,:\n]*::[^\n]*\n$`)
	ktapLine      = regexp.MustCompile(`^(?:(?:  )?(?:KTAP version 1|1\.\.[0-9]+|# [^\n]*|ok [0-9]+ [^#\n]+(?: # SKIP [^\n]*)?|not ok [0-9]+ [^#\n]+(?: # (?:ERROR|TIMEOUT) [^\n]*)?))\n$`)
	ownElements   = []string{"testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "svg", "title", "rect", "g", "text"}
)
