package console

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected splats in testdata")

// allKinds are the closed list.
var allKinds = []string{
	KindOops, KindBug, KindPanic, KindWarn, KindKASAN, KindKFENCE, KindKMSAN, KindKCSAN, KindUBSAN, KindSLUB,
	KindBadPage, KindFortify, KindUsercopy, KindList, KindStack, KindCFI, KindODEBUG, KindLockdep, KindRCU,
	KindAtomic, KindSpinlock, KindSoftLockup, KindHardLockup, KindStall, KindHungTask, KindRefcount, KindLeak,
	KindDriverCore, KindModuleLoad, KindTrace, KindCrit, KindAlloc, KindOOM, KindBoot, KindReboot,
}

// String returns the word for s, "invalid" for an invalid severity.
func (s Severity) String() string {
	words := []string{Fail: "fail", Warn: "warn", Note: "note", Infra: "infra"}
	if s < Fail || s > Infra {
		return "invalid"
	}
	return words[s]
}

// corpusCase is one log of testdata: a line "=== what it shows", a header per expected splat, an empty line, the log.
// A case that expects nothing has no headers.
type corpusCase struct {
	name   string
	expect []string
	log    []byte
}

func readCorpus(t testing.TB, file string) []corpusCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	for chunk := range bytes.SplitSeq(append([]byte("\n"), data...), []byte("\n=== ")) {
		if len(chunk) == 0 {
			continue
		}
		name, rest, _ := bytes.Cut(chunk, []byte("\n"))
		c := corpusCase{name: string(name), log: rest}
		if head, log, ok := bytes.Cut(rest, []byte("\n\n")); ok && bytes.HasPrefix(head, []byte("SPLAT: ")) {
			c.expect, c.log = strings.Split(string(head), "\n"), log
		} else {
			c.log = bytes.TrimPrefix(rest, []byte("\n"))
		}
		c.log = append(bytes.TrimSuffix(c.log, []byte("\n")), '\n')
		cases = append(cases, c)
	}
	return cases
}

func describe(splats []Splat) []string {
	var out []string
	for _, s := range splats {
		fn := s.Function
		if s.Module != "" {
			fn += " [" + s.Module + "]"
		}
		line := fmt.Sprintf("SPLAT: line %d %s %s %s %s | %s", s.Line, s.Kind, s.Code, s.Severity, s.Fingerprint, s.Title)
		for _, extra := range []struct{ label, value string }{{"by", fn}, {"at", s.Where}, {"gone", s.Gone}, {"panic", s.Panic}} {
			if extra.value != "" {
				line += " | " + extra.label + " " + extra.value
			}
		}
		out = append(out, line)
	}
	return out
}

func corpusFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in testdata: %v", err)
	}
	return files
}

func TestCorpus(t *testing.T) {
	for _, file := range corpusFiles(t) {
		var out bytes.Buffer
		for _, c := range readCorpus(t, file) {
			t.Run(filepath.Base(file)+"/"+c.name, func(t *testing.T) {
				splats := Scan(c.log)
				got := describe(splats)
				if !*update && !slices.Equal(got, c.expect) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.expect, "\n"))
				}
				checkInvariants(t, c.log)
				fmt.Fprintf(&out, "=== %s\n%s\n%s", c.name, strings.Join(append(got, ""), "\n"), c.log)
			})
		}
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEverySignature holds that each row of the table is what names some line of the corpus, so that none is dead.
func TestEverySignature(t *testing.T) {
	used := map[*signature]bool{}
	kinds := map[string]bool{}
	for _, file := range corpusFiles(t) {
		for _, c := range readCorpus(t, file) {
			for sp := range lines(c.log, 0) {
				if h, ok := classify(c.log, sp); ok {
					used[h.signature] = true
				}
			}
			for _, s := range Scan(c.log) {
				kinds[s.Kind] = true
			}
		}
	}
	for rank, s := range signatures() {
		if !used[s] && s.kind != KindCrit { // its rows differ in the literal only
			t.Errorf("row %d (literal %q, pattern %q) names no line of the corpus", rank, s.literal, s.pattern)
		}
	}
	for _, k := range allKinds {
		if !kinds[k] {
			t.Errorf("kind %s has no splat in the corpus", k)
		}
	}
}

// TestTable holds what the rest of the package takes for granted of every row.
func TestTable(t *testing.T) {
	for rank, s := range signatures() {
		if len(s.literal) < 4 {
			t.Errorf("row %d: literal %q is shorter than a gram", rank, s.literal)
		}
		if s.is(mute) {
			continue
		}
		if !slices.Contains(allKinds, s.kind) || s.severity.String() == "invalid" || s.title == "" {
			t.Errorf("row %d (literal %q) has kind %q, severity %v, title %q", rank, s.literal, s.kind, s.severity, s.title)
		}
	}
}

// checkInvariants holds for every log, whatever is in it.
func checkInvariants(t testing.TB, log []byte) {
	t.Helper()
	splats := Scan(log)
	last := -1
	for _, s := range splats {
		if s.Start < 0 || s.End > len(log) || s.Start >= s.End || s.Start < last {
			t.Errorf("splat %q lies at [%d,%d) of %d, after one at %d", s.Title, s.Start, s.End, len(log), last)
			return
		}
		last = s.Start
		if want := 1 + bytes.Count(log[:s.Start], []byte("\n")); s.Line != want {
			t.Errorf("splat %q is on line %d, want %d", s.Title, s.Line, want)
		}
		if len(s.Title) > maxTitle || len(s.Excerpt) > maxExcerpt || s.Title == "" {
			t.Errorf("title %q or excerpt of %d bytes out of bounds", s.Title, len(s.Excerpt))
		}
		again := Scan(log[s.Start:])
		if len(again) == 0 || again[0].Start != 0 || again[0].Kind != s.Kind || again[0].Title != s.Title || again[0].Fingerprint != s.Fingerprint {
			t.Errorf("a scan from %d on does not find %q again: %q", s.Start, s.Title, describe(again))
		}
	}
}
