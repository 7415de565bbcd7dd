package kernels

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
)

// Selector names kernels: SOURCE[:NAME][@VERSION][/FLAVOUR][+PROFILE…][%ARCH]. What each source takes:
//
//	debian:SUITE[@VERSION][/FLAVOUR][+package][%ARCH]   +package: modules are installed as packages
//	debian:all[@VERSION][/FLAVOUR][%ARCH]   the newest kernel of every series in each supported release; alone, its rt flavour too
//	host, host:RELEASE               a release holds '+' itself, so nothing can follow it
//	here                             the running kernel itself, without a guest; nothing follows
//	dir:PATH                         a prepared tree; the whole rest is the path
//	git:PATH[@REV][+PROFILE…][%ARCH]   a path with '@' in it needs a REV
//	tar:PATH[+PROFILE…][%ARCH]
//
// A VERSION is one (6.12.107), a series (6.12), several series (7.*) or a range (6.1..6.12, 6.1.., ..6.6), both ends of which
// belong to it; of several series, the newest kernel of each is meant. A REV may be a range of tags (v6.1..v6.12), or one of
// the heads lts, stable and mainline. An ARCH is Debian's word for it: arm64. A flavour that exists on one architecture alone names
// that as well; what names none is of this machine's.
//
// It is plain data; whether what it names exists is the source's business.
type Selector struct {
	Source  string // one of Sources
	Name    string // suite, release or path; "" only for host and here
	Version string // pattern for VersionMatches, or a git revision or range of them; "" for the newest, or the checked-out one
	Flavour string // "" for the source's default
	// Profiles are config fragments beyond the flavour, sorted, without duplicates; nil for none.
	Profiles []string
	Arch     string // Debian's word; "" where none is named, see Architecture
}

// Sources are the sources that ParseSelector knows, sorted.
var Sources = []string{"debian", "dir", "git", "here", "host", "tar"}

// Here is the source of this machine's running kernel, into which modules are loaded without a guest.
const Here = "here"

// SelectorError says where and why a selector is malformed.
type SelectorError struct {
	Text    string // the selector as given
	Offset  int    // in bytes, of the character that does not fit; len(Text) where something is missing
	Problem string
}

// Error is one line that points at the character.
func (e *SelectorError) Error() string {
	if e.Offset >= len(e.Text) {
		return fmt.Sprintf("selector %q: at its end: %s", e.Text, e.Problem)
	}
	char := []rune(e.Text[e.Offset:])[0]
	return fmt.Sprintf("selector %q: at character %d (%q): %s", e.Text, len([]rune(e.Text[:e.Offset]))+1, char, e.Problem)
}

var (
	sourceWord  = word{regexp.MustCompile(`^[a-z]+`), "a source is one of " + strings.Join(Sources, ", ")}
	suiteWord   = word{regexp.MustCompile(`^[a-z][a-z0-9-]*`), "a suite's name starts with a letter and holds a-z, 0-9 and '-'"}
	versionWord = word{regexp.MustCompile(`^(\.\.)?[0-9*][0-9A-Za-z.*~-]*`), "a version looks like 6.12, 6.12.107, 7.* or 6.1..6.12"}
	flavourWord = word{regexp.MustCompile(`^[a-z0-9][a-z0-9-]*`), "a flavour holds a-z, 0-9 and '-'"}
	archWord    = word{regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*`), "an architecture is one of " + strings.Join(arch.Names(), ", ")}
	profileWord = word{regexp.MustCompile(`^[a-z][a-z0-9-]*`), "a profile starts with a letter and holds a-z, 0-9 and '-'"}
	pathWord    = word{regexp.MustCompile(`^[^\x00-\x1f\x7f]+`), "a path or release is expected, without control characters"}
	// A revision keeps to what git itself allows in names, without '@' and '+', which selectors use.
	revWord       = word{regexp.MustCompile(`^[0-9A-Za-z_./~^-]+`), "a revision is a branch, tag or commit"}
	tailOfProfile = regexp.MustCompile(`(\+[a-z][a-z0-9-]*)*(%[a-z0-9_-]*)?$`)
)

type word struct {
	pattern *regexp.Regexp
	expects string
}

// ParseSelector reads a selector. Every error is a *SelectorError.
func ParseSelector(s string) (Selector, error) {
	p := selectorParser{text: s}
	sel := Selector{Source: p.word(sourceWord)}
	if p.err == nil && !slices.Contains(Sources, sel.Source) {
		p.pos = 0
		p.fail(sourceWord.expects)
	}
	if sel.Source == Here && p.pos < len(p.text) {
		p.fail("here is this machine's running kernel as it is: nothing follows it")
	}
	named := p.accept(":")
	if !named && sel.Source != "host" && sel.Source != Here {
		p.fail("':' and a name follow " + sel.Source)
	}
	switch sel.Source {
	case "debian":
		p.archive(&sel)
	case "git":
		p.git(&sel)
	case "tar":
		cut := len(s) - len(tailOfProfile.FindString(s[p.pos:]))
		sel.Name = p.upTo(cut)
		p.tail(&sel)
	default:
		if named {
			sel.Name = p.word(pathWord)
		}
	}
	p.end()
	if p.err != nil {
		return Selector{}, p.err
	}
	return sel, nil
}

// Range splits a Version that is a range at its two dots; an end that is not given is "". ok is false where it is none.
func (s Selector) Range() (from, to string, ok bool) { return strings.Cut(s.Version, "..") }

// Several reports whether Version asks for the newest kernel of each series that it matches, not for one kernel.
func (s Selector) Several() bool {
	_, _, ok := s.Range()
	return ok || strings.Contains(s.Version, "*")
}

// String is the selector as ParseSelector takes it.
func (s Selector) String() string {
	var b strings.Builder
	b.WriteString(s.Source)
	for _, part := range []struct{ mark, text string }{{":", s.Name}, {"@", s.Version}, {"/", s.Flavour}} {
		if part.text != "" {
			b.WriteString(part.mark + part.text)
		}
	}
	for _, p := range s.Profiles {
		b.WriteString("+" + p)
	}
	if s.Arch != "" {
		b.WriteString("%" + s.Arch)
	}
	return b.String()
}

// MarshalText is String.
func (s Selector) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSelector.
func (s *Selector) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSelector(string(text))
	return err
}

// selectorParser eats text from the left and keeps the first error.
type selectorParser struct {
	text string
	pos  int
	err  error
}

func (p *selectorParser) fail(problem string) {
	if p.err == nil {
		p.err = &SelectorError{p.text, p.pos, problem}
	}
}

func (p *selectorParser) accept(mark string) bool {
	ok := p.err == nil && strings.HasPrefix(p.text[p.pos:], mark)
	if ok {
		p.pos += len(mark)
	}
	return ok
}

func (p *selectorParser) word(w word) string {
	if p.err != nil {
		return ""
	}
	found := w.pattern.FindString(p.text[p.pos:])
	if found == "" {
		p.fail(w.expects)
	}
	p.pos += len(found)
	return found
}

func (p *selectorParser) upTo(end int) string {
	if p.err != nil {
		return ""
	}
	found := pathWord.pattern.FindString(p.text[p.pos:end])
	p.pos += len(found)
	if found == "" || p.pos < end {
		p.fail(pathWord.expects)
	}
	return found
}

func (p *selectorParser) archive(sel *Selector) {
	sel.Name = p.word(suiteWord)
	if p.accept("@") {
		sel.Version = p.version(versionWord)
	}
	if p.accept("/") {
		sel.Flavour = p.word(flavourWord)
	}
	p.tail(sel)
}

// git splits at the last '@': a path may hold one, a revision here may not.
func (p *selectorParser) git(sel *Selector) {
	at := strings.LastIndexByte(p.text, '@')
	if at < p.pos {
		at = len(p.text) - len(tailOfProfile.FindString(p.text[p.pos:]))
	}
	sel.Name = p.upTo(at)
	if p.accept("@") {
		sel.Version = p.version(revWord)
	}
	p.tail(sel)
}

// tail is what follows the name of kernels that are built: profiles and an architecture, which a flavour must not contradict.
func (p *selectorParser) tail(sel *Selector) {
	sel.Profiles = p.profiles()
	if !p.accept("%") {
		return
	}
	start := p.pos
	name := p.word(archWord)
	a, ok := arch.Named(name)
	of, fixed := arch.OfFlavour(sel.Flavour)
	switch {
	case p.err != nil:
		return
	case !ok || a.Debian != name:
		p.pos = start
		hint := ""
		if near, ok := arch.Near(name); ok {
			hint = "; did you mean " + near.Debian + "?"
		}
		p.fail(archWord.expects + hint)
	case fixed && of.Debian != name:
		p.pos = start
		p.fail(fmt.Sprintf("the flavour %s is one of %s", sel.Flavour, of.Debian))
	}
	sel.Arch = name
}

// version is a word with one range in it at most, whose ends are no patterns.
func (p *selectorParser) version(w word) string {
	start := p.pos
	found := p.word(w)
	from, to, isRange := strings.Cut(found, "..")
	if p.err != nil || !isRange {
		return found
	}
	if from == "" && to == "" {
		p.fail("a range has one end at least: 6.1..6.12, 6.1.. or ..6.12")
	}
	second := start + len(from) + 2
	if at := strings.Index(to, ".."); at >= 0 || strings.HasPrefix(to, ".") {
		p.pos = second + max(at, 0)
		p.fail("a range has two dots and two ends")
	}
	if at := strings.IndexByte(found, '*'); at >= 0 {
		p.pos = start + at
		p.fail("the end of a range is a version, not a pattern")
	}
	return found
}

func (p *selectorParser) profiles() []string {
	var found []string
	for p.accept("+") {
		start := p.pos
		name := p.word(profileWord)
		if slices.Contains(found, name) {
			p.pos = start
			p.fail("profile " + name + " is there twice")
		}
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}

func (p *selectorParser) end() {
	if p.err == nil && p.pos < len(p.text) {
		p.fail("this is not expected here; a selector is SOURCE[:NAME][@VERSION][/FLAVOUR][+PROFILE…][%ARCH]")
	}
}
