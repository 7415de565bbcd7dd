package harness

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/results"
)

// A README says in prose for which kernels a module is. Only plain sentences are taken for a claim: a claim that is missed
// costs a line, one that nobody made would hold a sentence against its author.

// How much of prose is looked at.
const (
	maxStatements = 50
	maxProseLine  = 500 // bytes
	maxQuote      = 120 // runes
)

// isProse tells a file at the top of a source in which claims are looked for.
func isProse(name string) bool {
	if strings.Contains(name, "/") {
		return false
	}
	stem := strings.ToUpper(strings.TrimSuffix(name, path.Ext(name)))
	switch path.Ext(name) {
	case "", ".md", ".txt", ".rst", ".adoc":
		return stem == "README" || stem == "INSTALL" || stem == "META"
	}
	return false
}

// The pieces of a sentence. A version is of Linux as long as it stands right behind the word.
const (
	linuxWord   = `(?i)\b(?:linux|kernels?)(?:[ -](?:linux|kernels?|releases?|versions?|headers?|series|development))*`
	versionWord = `v?([2-9]\.\d{1,3}(?:\.\d{1,3})?)(?:\.x)?`
	newerWords  = ` ?(?:\+|(?:or|and) (?:newer|later|higher|above|greater|up|upwards?)\b|onwards?\b|upwards?\b)`
)

var (
	rangeSaid = regexp.MustCompile(linuxWord + `:? (?:from |between )?` + versionWord + ` ?(?:-|–|—|to|and|through|until|up to) ?` + versionWord + `(?:$|[^.\d\w-]|\.\s|\.$)`)
	bothSaid  = regexp.MustCompile(linuxWord + `:? ?(?:>=|≥) ?` + versionWord + `,? ?(?:and |up to |to )?(?:<=|≤|up to) ?` + versionWord)
	fromSaid  = regexp.MustCompile(linuxWord + `:? ?(?:>=|≥) ?` + versionWord)
	newerSaid = regexp.MustCompile(linuxWord + `:? (?:from |since )?` + versionWord + newerWords)
	upToSaid  = regexp.MustCompile(linuxWord + `:? (?:up to|until|through|<=|≤) (?:and including )?` + versionWord)
	testSaid  = regexp.MustCompile(`(?i)\btested (?:with|on|against|under|for) (?:the )?` + linuxWord + `:? ` + versionWord)
	metaSaid  = regexp.MustCompile(`^Linux-(Minimum|Maximum): *` + versionWord + ` *$`)

	// speaksOfSupport is what a sentence must say besides, unless it is an item of a list that begins with the kernel.
	speaksOfSupport = regexp.MustCompile(`(?i)\b(?:support(?:s|ed|ing)?|requires?|requirements?|required|needs?|compatib\w+|works?|tested|builds?|compiles?|minimum|headers?)\b`)
	listItem        = regexp.MustCompile(`(?i)^ *[-*•+] *(?:the )?(?:linux|kernels?)\b`)
	// speaksOfCase is a sentence about some kernels alone, or about another's support.
	speaksOfCase = regexp.MustCompile(`(?i)\b(?:if|when|where|since|before|not|no longer|unsupported|only|renamed|removed|introduced|added|config_\w+|backport\w*|deprecated|issues?|bugs?|fix(?:e[sd])?|broken|fails?|cannot|doesn't|don't)\b|^ *(?:[-*•+] *)?(?:on|for|with|in|under|as of) `)
)

// statements lists the claims about kernel versions in a README or a META.
func statements(name string, text []byte) []results.Statement {
	var all []results.Statement
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if len(all) >= maxStatements || len(line) > maxProseLine || !utf8.ValidString(line) || strings.ContainsFunc(line, unshown) {
			continue
		}
		if s, ok := claimed(name, line); ok {
			s.Where, s.Text = fmt.Sprintf("%s:%d", name, number), quote(line)
			all = append(all, s)
		}
	}
	return all
}

// claimed reads one line.
func claimed(name, line string) (s results.Statement, ok bool) {
	if name == "META" {
		if m := metaSaid.FindStringSubmatch(line); m != nil && m[1] == "Minimum" {
			return results.Statement{Min: m[2]}, true
		} else if m != nil {
			return results.Statement{Max: m[2]}, true
		}
		return s, false
	}
	bare := strings.NewReplacer("`", "", "*", "").Replace(line)
	if m := testSaid.FindStringSubmatch(bare); m != nil && !strings.Contains(strings.ToLower(line), "not tested") {
		return results.Statement{Min: m[1], Max: m[1]}, true
	}
	if speaksOfCase.MatchString(line) || !speaksOfSupport.MatchString(line) && !listItem.MatchString(line) {
		return s, false
	}
	for _, form := range []struct {
		*regexp.Regexp
		min, max int
	}{{bothSaid, 1, 2}, {rangeSaid, 1, 2}, {fromSaid, 1, 0}, {newerSaid, 1, 0}, {upToSaid, 0, 1}} {
		if m := form.FindStringSubmatch(bare); m != nil {
			return bounds(m, form.min, form.max)
		}
	}
	return s, false
}

// bounds are the groups of m that are one; a range that is the wrong way round is none.
func bounds(m []string, low, high int) (s results.Statement, ok bool) {
	if low > 0 {
		s.Min = m[low]
	}
	if high > 0 {
		s.Max = m[high]
	}
	return s, s.Min == "" || s.Max == "" || results.CompareVersions(s.Min, s.Max) <= 0
}

// unshown are runes that a terminal obeys instead of showing them.
func unshown(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }

// quote shortens a line.
func quote(line string) string {
	line = strings.Join(strings.Fields(line), " ")
	if r := []rune(line); len(r) > maxQuote {
		return string(r[:maxQuote-1]) + "…"
	}
	return line
}

// speaksFor tells whether a statement is about a version: 6.8 as the last one means all of 6.8.x.
func speaksFor(s results.Statement, version string) bool {
	if s.Min != "" && results.CompareVersions(version, s.Min) < 0 {
		return false
	}
	return s.Max == "" || results.CompareVersions(samePrecision(version, s.Max), s.Max) <= 0
}

// samePrecision cuts a version to as many numbers as another one has.
func samePrecision(version, like string) string {
	parts := strings.Split(version, ".")
	return strings.Join(parts[:min(len(parts), strings.Count(like, ".")+1)], ".")
}

// holdStatements holds what was said against what was measured.
func holdStatements(all []results.Statement, tried []results.Record) []results.Statement {
	for i := range all {
		s := &all[i]
		seen := map[string]bool{}
		for _, rec := range tried {
			if !speaksFor(*s, rec.Target.Version) {
				continue
			}
			label := rec.Target.Label()
			if rec.Status == results.Fail && !seen[label] {
				s.Broken = append(s.Broken, label)
				seen[label] = true
			}
			s.Measured = true
		}
	}
	return all
}
