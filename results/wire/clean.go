package wire

import (
	"strings"
	"unicode/utf8"
)

// Bounds of what a frame may carry, in bytes.
const (
	maxName    = 1 << 10  // names, locations: one line
	maxMessage = 16 << 10 // failure messages
	maxText    = 64 << 10 // output and text; the middle is left out
	maxSpecs   = 4096     // in one frame
)

// clean scrubs and bounds every string of f. Both ends do it, so that a name is the same at both.
func (f *Frame) clean() {
	f.Kind = Kind(line(string(f.Kind)))
	for _, s := range []*string{&f.Nonce, &f.Suite, &f.Release, &f.Stage, &f.Module, &f.Signal} {
		*s = line(*s)
	}
	f.Text = middle(scrub(f.Text), maxText)
	if f.Spec != nil {
		spec := f.Spec.Cleaned()
		f.Spec = &spec
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

// Cleaned returns s with every string scrubbed and bounded, as it comes out at the other end.
func (s Spec) Cleaned() Spec {
	for _, text := range []*string{&s.Name, &s.Group, &s.State, &s.Node, &s.Location} {
		*text = line(*text)
	}
	s.Message = middle(scrub(s.Message), maxMessage)
	s.Output = middle(scrub(s.Output), maxText)
	return s
}

// line makes a name of s: scrubbed, on one line, and of a size that fits anywhere.
func line(s string) string {
	s = scrub(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return middle(s, maxName)
}

// middle leaves out the middle of s where it is longer than limit, and says so.
// What it returns is not longer than limit, so that doing it again changes nothing.
func middle(s string, limit int) string {
	const gap = " […] "
	if len(s) <= limit {
		return s
	}
	half := (limit - len(gap)) / 2
	head, tail := s[:half], s[len(s)-half:]
	for len(head) > 0 && !utf8.ValidString(head) {
		head = head[:len(head)-1]
	}
	for len(tail) > 0 && !utf8.ValidString(tail) {
		tail = tail[1:]
	}
	return head + gap + tail
}

// scrub takes out of s what a terminal, a browser or an XML reader might obey instead of show: escape sequences, control
// characters, marks that turn the direction of writing, bytes that are not UTF-8. Line ends become \n.
func scrub(s string) string {
	if plain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := escape(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			b.WriteByte('\n')
		case !obeyed(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plain says that s is ASCII that needs no scrubbing, as nearly all of it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// escape gives the length of the terminal sequence that s starts with (ECMA-48 §5.3, §5.4, §5.6), zero if it is none.
func escape(s string) int {
	if s[0] != 0x1b || len(s) == 1 {
		return 0
	}
	switch s[1] {
	case '[': // a control sequence: parameters, intermediates, one final byte
		for i := 2; i < len(s); i++ {
			if s[i] < 0x20 || s[i] > 0x3f {
				if s[i] >= 0x40 && s[i] <= 0x7e {
					i++
				}
				return i
			}
		}
		return len(s)
	case ']', 'P', '^', '_', 'X': // a string, up to BEL or ST; on one line, so that a lone one hides no more than that
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == 0x07:
				return i + 1
			case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
				return i + 2
			case s[i] == '\n' || s[i] == '\r':
				return i
			}
		}
		return len(s)
	}
	if s[1] >= 0x20 && s[1] < 0x7f {
		return 2
	}
	return 1
}

// obeyed says whether r steers whoever shows it, or must not stand in XML 1.0 (§2.2).
func obeyed(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ' || r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidi (UAX #9)
		return true
	case r == 0xfeff, r == 0xfffe, r == 0xffff, r >= 0xe0000 && r <= 0xe007f: // byte order mark, non-characters, tags
		return true
	}
	return false
}
