package console

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

const (
	maxTitle   = 120  // bytes
	maxExcerpt = 4096 // bytes
	hashFrames = 5    // kept frames that go into the fingerprint
)

func (r *report) splat() Splat {
	s := Splat{
		Kind: r.head.kind, Code: r.code(), Severity: r.head.severity, Panic: clip(r.panic, maxTitle),
		Start: r.start, End: r.end, Where: whereOf(r.head.Text), Excerpt: r.excerpt(),
	}
	s.Frames = r.traces.main(r.head.is(direct))
	kept := r.kept(s.Frames)
	if r.gone && r.last != "" && s.Kind == KindOops && !slices.ContainsFunc(kept[:min(len(kept), hashFrames)], inModule) {
		kept, s.Gone = nil, r.last // by the link register or the trace it is the kernel, which only called what was to be there
	}
	if len(kept) > 0 {
		s.Guilty = guilty(kept)
		s.Function, s.Module = s.Guilty.Function, s.Guilty.Module
	}
	base := r.baseTitle()
	s.Title = base
	if s.Function != "" && !r.head.is(whole) {
		s.Title = base + " in " + s.Function
	}
	if s.Gone != "" {
		s.Title = base + " in code that is gone"
	}
	s.Title = clip(s.Title, maxTitle)
	s.Fingerprint = fingerprint(r.head.kind, base, kept)
	return s
}

// code is the kind's, but for the checks that are built to warn or to kill: a WARN that the kernel survived is one.
// Nor was a module refused that the loader only complains of; but FORTIFY_SOURCE warns before it kills (Linux
// lib/string_helpers.c, __fortify_panic).
func (r *report) code() results.Code {
	switch {
	case r.head.kind == KindModuleLoad && r.head.severity.Fault():
		return results.CodeWarn
	case r.head.kind == KindFortify:
		return results.CodeOops
	}
	if c := code(r.head.kind); c != results.CodeOops || !r.warned {
		return c
	}
	return results.CodeWarn
}

// raceRE are the two sides of a data race, which KCSAN sorts; their traces come in any order.
var raceRE = regexp.MustCompile(` in (\w[\w.]*)(?:\+\S+)?(?: \[\S+\])? / (\w[\w.]*)`)

func (r *report) kept(frames []Frame) []Frame {
	if hangs[r.head.kind] {
		if h := belowAnchor(r.traces.withTop()); len(h) > 0 {
			return h
		}
		return keep(interrupted(frames))
	}
	if m := raceRE.FindStringSubmatch(r.head.Text); m != nil && r.head.kind == KindKCSAN {
		return []Frame{r.traces.find(plainName(m[1])), r.traces.find(plainName(m[2]))}
	}
	kept := keep(frames)
	top := r.traces.top
	if top.Function == "" && r.bare && r.head.kind == KindOops {
		top = r.traces.hint // by the link register or the last branch: whoever jumped there, and has no frame yet
	}
	if top.Function == "" || skipped(top) || r.traces.fromPC && r.head.kind == KindHungTask {
		if hint := r.traces.hint; len(kept) == 0 && hint.Function != "" {
			return keep([]Frame{hint})
		}
		return kept
	}
	// The trace may lead up to the top through the handlers of the trap.
	if i := slices.IndexFunc(kept, func(f Frame) bool { return f.Function == top.Function }); i >= 0 {
		return append([]Frame{top}, kept[i+1:]...)
	}
	return append([]Frame{top}, kept...)
}

func keep(frames []Frame) []Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f Frame) bool { return !f.Reliable || skipped(f) })
}

// guilty is the first frame in a module among those of the fingerprint: one of the kernel's below a module is more often the module's.
func guilty(kept []Frame) Frame {
	return kept[max(0, slices.IndexFunc(kept[:min(len(kept), hashFrames)], inModule))]
}

func inModule(f Frame) bool { return f.Module != "" }

func (r *report) baseTitle() string {
	if r.exact != "" && (r.head.title == pageFault || r.head.title == userMemory) {
		return r.exact
	}
	base := r.head.title
	if re := r.head.re; re != nil { // which the line matches
		base = string(re.ExpandString(nil, base, r.head.Text, re.FindStringSubmatchIndex(r.head.Text)))
	}
	if r.detail != "" && r.head.kind == KindKASAN {
		base += " " + r.detail
	}
	return clip(scrub(base), maxTitle)
}

// fingerprint hashes the kind and the first kept frames; without frames the title has to do.
func fingerprint(kind, base string, kept []Frame) string {
	h := sha256.New()
	h.Write([]byte(kind))
	if len(kept) == 0 {
		h.Write([]byte("\x00" + base))
	}
	for _, f := range hashed(kept) {
		h.Write([]byte("\x00" + f.Module + "\x00" + f.Function))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// hashed are the frames that go into the fingerprint. Where a module is among them they end with it: through which of
// its own functions the kernel came to call a module changes from release to release.
func hashed(kept []Frame) []Frame {
	kept = kept[:min(len(kept), hashFrames)]
	for i := len(kept) - 1; i >= 0; i-- {
		if kept[i].Module != "" {
			return kept[:i+1]
		}
	}
	return kept
}

// whereRE is the source line in a header: "at fs/x.c:12", "in ./include/x.h:3:2", "WARNING: fs/x.c:12 at".
var whereRE = regexp.MustCompile(`[\w./+-]+\.(?:c|h|S|rs|cpp):\d+`)

func whereOf(text string) string { return strings.TrimPrefix(whereRE.FindString(text), "./") }

// scrubs replace what differs between two sightings of one bug.
var scrubs = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]`), ""},
	{regexp.MustCompile(`([\w./-]+\.(?:c|h|S|rs)):\d+(?::\d+)?`), "$1:LINE"},
	{regexp.MustCompile(`\+0x[0-9a-f]+/0x[0-9a-f]+`), ""},
	{regexp.MustCompile(`\b(?:0x[0-9a-f]+|[0-9a-f]{8,})\b`), "ADDR"},
	{regexp.MustCompile(`CPU#?\d+`), "CPU"},
	{regexp.MustCompile(`\b[\w./:-]+[/:]\d+\b`), "TASK"},
	{regexp.MustCompile(`\b\d+\b`), "NUM"},
	{regexp.MustCompile(`\s+`), " "},
}

func scrub(text string) string {
	for _, s := range scrubs {
		text = s.re.ReplaceAllString(text, s.by)
	}
	return strings.TrimRight(strings.TrimSpace(text), ":,. ")
}

// clip cuts a text to at most n bytes, between characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

func (r *report) excerpt() string {
	var b strings.Builder
	for _, sp := range r.lines {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(sp.Text)
		if b.Len() > maxExcerpt {
			break
		}
	}
	return clip(b.String(), maxExcerpt)
}
