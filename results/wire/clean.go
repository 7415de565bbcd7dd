package wire

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// Bounds of what a frame may carry, in bytes.
const (
	maxName    = 1 << 10  // names, locations: one line
	maxMessage = 16 << 10 // failure messages
	maxText    = 64 << 10 // output and text; the middle is left out
	maxDevice  = 4 << 10  // what is said of a device beyond its names
	maxSpecs   = 4096     // in one frame
)

// clean scrubs and bounds every string of f. Both ends do it, so that both see the same name.
func (f *Frame) clean() {
	f.Kind = Kind(line(string(f.Kind)))
	for _, s := range []*string{&f.Nonce, &f.Suite, &f.Release, &f.Stage, &f.Module, &f.Signal} {
		*s = line(*s)
	}
	f.Text, f.Stack = middle(Scrub(f.Text), maxText), middle(Scrub(f.Stack), maxMessage)
	if f.Spec != nil {
		spec := f.Spec.Cleaned()
		f.Spec = &spec
	}
	if f.Device != nil {
		device := f.Device.Cleaned()
		f.Device = &device
	}
	if f.Specs == nil {
		return
	}
	specs := make([]Spec, min(len(f.Specs), maxSpecs))
	for i := range specs {
		specs[i] = f.Specs[i].Cleaned()
	}
	f.Specs = specs
}

// Cleaned returns s with every string scrubbed and bounded, as the other end receives it.
func (s Spec) Cleaned() Spec {
	for _, text := range []*string{&s.Name, &s.Group, &s.State, &s.Node, &s.Location} {
		*text = line(*text)
	}
	s.Message = middle(Scrub(s.Message), maxMessage)
	s.Output = middle(Scrub(s.Output), maxText)
	return s
}

// line returns s as a name: scrubbed, bounded and on one line.
func line(s string) string {
	s = Scrub(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return middle(s, maxName)
}

// middle leaves out the middle of s where it is longer than limit, and says so. Doing it again changes nothing.
func middle(s string, limit int) string {
	const gap = " […] "
	if len(s) <= limit {
		return s
	}
	half := (limit - len(gap)) / 2
	return strings.ToValidUTF8(s[:half], "") + gap + strings.ToValidUTF8(s[len(s)-half:], "") // without halves of a character
}

// escapes are the sequences that a terminal obeys (ECMA-48 §5.3, §5.4, §5.6); strings only up to the end of the line, so that an
// unfinished one hides no more. Compiling it is slow on an emulated processor, and most processes never need it.
var escapes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\x1b(?:\[[ -?]*[@-~]?|[\]P^_X](?:[^\x07\x1b\r\n]|\x1b+[^\x07\x1b\\\r\n])*\x1b*[\x07\\]?|[ -~])?`)
})

// Scrub removes from s what a terminal, a browser or an XML reader might obey instead of show: escape sequences, control
// characters, bidirectional marks, bytes that are not UTF-8. Line ends become \n.
func Scrub(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return '\n'
		case obeyed(r):
			return -1
		}
		return r
	}, escapes().ReplaceAllString(s, ""))
}

// plain is the fast path: ASCII that needs no scrubbing, as nearly all text is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// obeyed says whether r is an instruction to whoever shows it, or not allowed in XML 1.0 (§2.2).
func obeyed(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Bidi_Control) ||
		r == 0xfeff || r == 0xfffe || r == 0xffff || r >= 0xe0000 && r <= 0xe007f // byte order mark, non-characters, tags
}
