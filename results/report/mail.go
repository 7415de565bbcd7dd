package report

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Whole names a file with everything that a letter is about, which is published with it. The zero value: there is none.
type Whole struct{ Name, Digest string }

// Mail writes the part of a cover letter that says how the module was tested: by its author, by others, and what was not. It is
// ASCII of at most 72 columns but for the names of testers, which are there as they spelled and signed them.
func Mail(w io.Writer, c *results.Collection, whole Whole) error {
	l := new(letter)
	own, all := results.Matrix{}, results.Matrix{}
	if c.Own != nil {
		all = c.Own.Matrix()
		own = withoutChecks(all)
	}
	l.paragraph(opening(c, own))
	l.gap()
	l.facts(c, own)
	l.fact("Checks", checksFact(all))
	if c.Own != nil {
		l.seriesTables("Kernels on which it works, out of those tried, by series:", own)
		l.failures("Failures", failuresOf(own))
	}
	l.testers(c)
	if missing := untested(c, own, all); len(missing) > 0 {
		l.heading("Not tested")
		for _, m := range missing {
			l.item(m)
		}
	}
	l.whole(whole)
	l.gap()
	for _, t := range c.Testers {
		l.text.WriteString(trailer(t.TestedBy, t.Records))
	}
	return l.writeTo(w)
}

// opening says in a few sentences what was done and what came of it.
func opening(c *results.Collection, own results.Matrix) string {
	name := cmp.Or(strings.TrimSpace(mailed(c.Module.Name)+" "+mailed(c.Module.Version)), "The module")
	count := countRows(own)
	pass, fail := count[results.Pass], count[results.Fail]
	switch {
	case c.Own == nil:
		return name + " was tested out of tree, by the testers below."
	case pass+fail == 0:
		return name + " was not tested: no kernel gave an answer."
	case !slices.ContainsFunc(own.Rows, reachedGuest):
		return fmt.Sprintf("%s was built out of tree, and not loaded, on %s. %s", name, results.Plural(pass+fail, "kernel"), outcomeOn("builds", pass, fail))
	}
	whose := "each"
	if pass+fail == 1 {
		whose = "the"
	}
	return fmt.Sprintf("%s was tested out of tree on %s: built with %s kernel's own compiler, then loaded, tested and unloaded in a guest whose kernel log is searched for faults. %s",
		name, results.Plural(pass+fail, "kernel"), whose, outcomeOn("works", pass, fail))
}

// outcomeOn is the answer of so many kernels.
func outcomeOn(works string, pass, fail int) string {
	switch {
	case fail == 0 && pass == 1:
		return "It " + works + "."
	case pass == 0 && fail == 1:
		return "It fails."
	case fail == 0:
		return "It " + works + " on all of them."
	case pass == 0:
		return "It fails on all of them."
	}
	return fmt.Sprintf("It %s on %d and fails on %d.", works, pass, fail)
}

func countRows(m results.Matrix) map[results.Status]int {
	count := map[results.Status]int{}
	for _, w := range m.Rows {
		count[w.Status()]++
	}
	return count
}

// facts are those that a maintainer looks for, one a line.
func (l *letter) facts(c *results.Collection, own results.Matrix) {
	l.fact("Source", sourceFact(c.Module))
	if c.Own == nil {
		return
	}
	ran := slices.DeleteFunc(slices.Clone(own.Rows), func(w results.Row) bool { return !answered(w.Status()) })
	l.fact("Kernels", kernelsFact(ran))
	l.fact("Arch", countedFact(ran, func(t results.Target) string { return t.Arch }))
	l.fact("Compilers", compilersFact(ran))
	l.fact("Config", countedFact(ran, func(t results.Target) string { return cmp.Or(t.Profile, "as shipped") }))
	l.fact("Tests", testsFact(own))
	l.fact("Guests", guestsFact(c.Own.Run.Host))
	l.fact("Tool", mailed(toolOf(c.Own.Run.Tool))+", "+c.Own.Run.Started.UTC().Format("2006-01-02"))
}

// answered says whether the status is a verdict on the module.
func answered(s results.Status) bool { return s == results.Pass || s == results.Fail }

func sourceFact(m results.Module) string {
	digest := shortDigest(m.SourceDigest)
	if m.Git == nil || m.Git.Commit == "" {
		return digest
	}
	text := "commit " + mailed(clipPlain(m.Git.Commit, 12))
	if m.Git.Dirty {
		text += " with uncommitted changes"
	}
	return strings.TrimSuffix(text+", "+digest, ", ")
}

// shortDigest is as much of a digest as tells two sources apart.
func shortDigest(digest string) string { return mailed(clipPlain(digest, len("sha256:")+16)) }

func clipPlain(s string, most int) string { return s[:min(len(s), most)] }

// toolOf leaves out the commit that a tool was built from.
func toolOf(tool string) string {
	tool, _, _ = strings.Cut(tool, " (")
	return tool
}

func kernelsFact(rows []results.Row) string {
	if len(rows) == 0 {
		return ""
	}
	var from []string
	for _, w := range rows {
		if s := sourceOf(w.Target.Source); !slices.Contains(from, s) {
			from = append(from, s)
		}
	}
	oldest, newest := results.Span(rows)
	text := mailed(oldest)
	if newest != oldest {
		text += " to " + mailed(newest)
	}
	return fmt.Sprintf("%d, %s (%s)", len(rows), text, listed(from, 8))
}

// sourceOf names where kernels come from, without folders of the author's machine: "debian:trixie", "git:linux v7.2".
func sourceOf(selector string) string {
	kind, name, _ := strings.Cut(selector, ":")
	name, rev, _ := strings.Cut(name, "@")
	rev, _, _ = strings.Cut(rev, "+")
	if kind == "debian" {
		suite, _, _ := strings.Cut(name, "/")
		return mailed(kind + ":" + suite)
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	return mailed(strings.Trim(strings.TrimSpace(kind+":"+name+" "+rev), ":"))
}

// countedFact says how many kernels are of each kind; of a single kind, the number is known.
func countedFact(rows []results.Row, kind func(results.Target) string) string {
	groups := grouped(rows, func(w results.Row) string { return mailed(kind(w.Target)) })
	var texts []string
	for _, g := range groups {
		text := mailed(kind(g[0].Target))
		if len(groups) > 1 {
			text += fmt.Sprintf(" (%d)", len(g))
		}
		texts = append(texts, text)
	}
	return listed(texts, 8)
}

// compiler matches the first line of what a compiler says of its version, of gcc and of clang.
var compiler = regexp.MustCompile(`(?:^|[^a-z])(gcc|clang)(?:[^a-z].*?)?(?:version|\)) +([0-9]+)`)

// compilersFact lists the compilers by their major versions: "gcc 10, 12; clang 19".
func compilersFact(rows []results.Row) string {
	var all [][2]string // name and version
	for _, w := range rows {
		one := [2]string{mailed(w.Target.Compiler)}
		if m := compiler.FindStringSubmatch(w.Target.Compiler); m != nil {
			one = [2]string{m[1], m[2]}
		}
		if one[0] != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int {
		return cmp.Or(strings.Compare(b[0], a[0]), results.CompareVersions(a[1], b[1])) // gcc before clang
	})
	var texts []string
	for _, same := range grouped(all, func(c [2]string) string { return c[0] }) {
		var versions []string
		for _, c := range same {
			versions = append(versions, c[1])
		}
		texts = append(texts, strings.TrimSpace(same[0][0]+" "+strings.Join(versions, ", ")))
	}
	return strings.Join(texts, "; ")
}

// testsFact names suites with how many tests they have.
func testsFact(m results.Matrix) string {
	var texts []string
	for i, s := range m.Suites {
		most := 0
		for _, w := range m.Rows {
			most = max(most, len(w.Cells[i].Specs))
		}
		if s != "" && most > 0 {
			texts = append(texts, fmt.Sprintf("%s (%d)", mailed(s), most))
		} else if s != "" {
			texts = append(texts, mailed(s))
		}
	}
	return strings.Join(texts, ", ")
}

func guestsFact(h results.Host) string {
	accel := map[string]string{"tcg": "emulated (TCG)", "kvm": "KVM", "several": "KVM and emulated (TCG)", "": ""}[h.Accelerator]
	if accel == "" {
		return ""
	}
	text := "QEMU, "
	if h.QEMU != "" && h.QEMU != "several" {
		text = "QEMU " + mailed(h.QEMU) + ", "
	}
	return text + accel + ", a fresh one for each kernel and suite"
}

// whole names the file with everything; its digest has a line of its own, as no line is as long as both.
func (l *letter) whole(file Whole) {
	if file.Name == "" {
		return
	}
	l.paragraph("Full results: " + mailed(file.Name))
	l.lines("", "", mailed(file.Digest))
}
