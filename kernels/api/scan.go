package api

import (
	"bytes"
	"regexp"
	"strings"
)

// maxText bounds a declaration in a report, in bytes.
const maxText = 400

// maxDepth bounds how deep conditions may lie in each other; the kernel's own have a handful.
const maxDepth = 64

// noCode are comments, strings and characters; what is not closed on its line is no string.
var noCode = regexp.MustCompile(`(?s)/\*.*?(?:\*/|\z)|//[^\n]*|"(?:\\[^\n]|[^"\\\n])*["\\]?|'(?:\\[^\n]|[^'\\\n])*['\\]?`)

// blank returns text with comments and the insides of strings made blanks. Lines stay where they are.
func blank(text []byte) []byte {
	out := bytes.Clone(text)
	for _, at := range noCode.FindAllIndex(text, -1) {
		part := out[at[0]:at[1]]
		quote := part[0]
		for i, c := range part {
			if c != '\n' && (quote == '/' || i > 0 && (i < len(part)-1 || c != quote)) {
				part[i] = ' '
			}
		}
	}
	return out
}

// statement is a piece of C that stands outside of all braces, without its body, or a macro with its definition.
type statement struct {
	text string // white space folded; a body is "{}"
	body string // what stood between the outermost braces; lines are kept
	line int    // where text begins, from 1
	at   int    // where body begins
	def  bool   // it is a #define
}

type scanner struct {
	head, body         bytes.Buffer
	depth              int
	line, start, first int     // of the text, of the statement, of its body
	levels             []level // at each #if that is open
	found              func(statement)
}

// level is how far a statement had come at an #if.
type level struct{ depth, head int }

// scan calls found for every statement of text, which is a header's.
func scan(text []byte, found func(statement)) {
	s := scanner{found: found}
	clean := blank(text)
	for len(clean) > 0 {
		var line []byte
		line, clean = logicalLine(clean)
		s.line++
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] == '#' {
			s.directive(string(bytes.TrimSpace(trimmed[1:])))
			if s.depth > 0 {
				s.body.Write(bytes.Repeat([]byte("\n"), bytes.Count(line, []byte("\n"))))
			}
		} else {
			s.code(line)
		}
		s.line += bytes.Count(line, []byte("\n")) - 1
		if !bytes.HasSuffix(line, []byte("\n")) {
			s.line++
		}
	}
}

// logicalLine cuts the first line off text; one of the preprocessor goes on after a backslash.
func logicalLine(text []byte) (line, rest []byte) {
	from := 0
	goesOn := bytes.HasPrefix(bytes.TrimLeft(text, " \t"), []byte("#"))
	for {
		end := bytes.IndexByte(text[from:], '\n')
		if end < 0 {
			return text, nil
		}
		end += from + 1
		if !goesOn || !bytes.HasSuffix(bytes.TrimRight(text[:end], " \t\r\n"), []byte(`\`)) {
			return text[:end], text[end:]
		}
		from = end
	}
}

// directive follows the preprocessor as far as braces go: each branch begins where the first one did.
func (s *scanner) directive(text string) {
	word := text
	if i := strings.IndexFunc(text, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
		word = text[:i]
	}
	n := len(s.levels)
	switch {
	case word == "define":
		s.found(statement{text: fold(strings.ReplaceAll(text, "\\\n", " ")), line: s.line, def: true})
	case strings.HasPrefix(word, "if") && n < maxDepth:
		s.levels = append(s.levels, level{s.depth, s.head.Len()})
	case (word == "else" || word == "elif") && n > 0:
		s.depth = s.levels[n-1].depth
		s.head.Truncate(min(s.head.Len(), s.levels[n-1].head))
		if s.depth == 0 {
			s.body.Reset()
		}
	case word == "endif" && n > 0:
		s.levels = s.levels[:n-1]
	}
}

func (s *scanner) code(line []byte) {
	for _, c := range line {
		switch {
		case c == '{':
			if s.depth++; s.depth > 1 {
				s.body.WriteByte(c)
			} else {
				s.head.WriteString("{}")
				s.first = s.line
			}
		case c == '}' && s.depth > 0:
			if s.depth--; s.depth > 0 {
				s.body.WriteByte(c)
			} else if endsFunction(s.head.Bytes()) {
				s.end()
			}
		case s.depth > 0:
			s.body.WriteByte(c)
		case c == ';':
			s.end()
		case s.head.Len() > 0 || c > ' ':
			if s.head.Len() == 0 {
				s.start = s.line
			}
			s.head.WriteByte(c)
		}
	}
}

// endsFunction reports whether the body that was just closed is a function's: a struct's goes on to a semicolon.
func endsFunction(head []byte) bool {
	head = bytes.TrimSuffix(bytes.TrimSpace(head), []byte("{}"))
	if bytes.HasPrefix(head, []byte("extern")) && !bytes.ContainsAny(head, "(;") {
		return true // extern "C" {}
	}
	return bytes.HasSuffix(bytes.TrimSpace(head), []byte(")")) && !aggregate.Match(head)
}

var aggregate = regexp.MustCompile(`^(?:typedef\s+)?(?:struct|union|enum)\b[^()]*$`)

func (s *scanner) end() {
	if text := fold(s.head.String()); text != "" {
		s.found(statement{text: text, body: s.body.String(), line: s.start, at: s.first})
	}
	s.head.Reset()
	s.body.Reset()
}

func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

func short(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + " …"
	}
	return s
}
