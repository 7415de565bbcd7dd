package api

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// declarations finds in a header's text what declares one of ids; where one is a member, holder is its struct.
func declarations(file string, text []byte, ids []results.Ident, found func(i int, d results.Decl, holder bool)) {
	var m []matcher
	for i, id := range ids {
		if id.Kind != Header && id.Kind != Symbol && id.Kind != Pointer && isName.MatchString(id.Name) && mentions(text, id) {
			m = append(m, matcher{i, id, regexp.MustCompile(`\b` + regexp.QuoteMeta(id.Name) + `\b`)})
		}
	}
	if len(m) == 0 {
		return
	}
	scan(text, func(s statement) {
		for _, w := range m {
			w.look(file, s, func(d results.Decl, holder bool) { found(w.at, d, holder) })
		}
	})
}

var isName = regexp.MustCompile(`^[A-Za-z_]\w*$`)

func mentions(text []byte, id results.Ident) bool {
	_, name, _ := strings.Cut(cmp.Or(id.Of, " "+id.Name), " ")
	return bytes.Contains(text, []byte(name))
}

type matcher struct {
	at   int
	id   results.Ident
	word *regexp.Regexp
}

var (
	tagged  = regexp.MustCompile(`^(?:typedef )?(struct|union|enum)(?: __\w+(?:\([^)]*\))?)? (\w+)? ?(?:__\w+ ?)*\{\}`)
	keyword = regexp.MustCompile(`^(?:return|if|else|for|while|do|switch|goto|case)\b`)
)

func (w matcher) look(file string, s statement, found func(d results.Decl, holder bool)) {
	decl := func(form, text string, line int) results.Decl {
		return results.Decl{Form: form, Text: short(text), File: file, Line: line}
	}
	tag := tagged.FindStringSubmatch(s.text)
	switch {
	case w.id.Of != "":
		if tag != nil && tag[1]+" "+tag[2] == w.id.Of {
			found(decl(tag[1], w.id.Of, s.line), true)
			if text, line, ok := w.member(s); ok {
				found(decl("member", text, line), false)
			}
		}
	case s.def:
		if w.id.Kind != Type && isMacro(s.text, w.id.Name) {
			found(decl("macro", s.text, s.line), false)
		}
	case tag != nil && tag[2] == w.id.Name:
		found(decl(tag[1], strings.TrimSpace(tag[1]+" "+tag[2]), s.line), false)
	case tag != nil && tag[1] == "enum" && w.id.Kind != Type:
		if text, line, ok := w.constant(s); ok {
			found(decl("constant", strings.TrimSpace("enum "+tag[2])+": "+text, line), false)
		}
	case strings.HasPrefix(s.text, "typedef "):
		if w.defines(s.text) {
			found(decl("typedef", s.text, s.line), false)
		}
	case w.id.Kind != Type && !keyword.MatchString(s.text):
		if form := w.form(s.text); form != "" {
			found(decl(form, strings.TrimSpace(strings.TrimSuffix(s.text, "{}")), s.line), false)
		}
	}
}

func isMacro(text, name string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(text, "define")), name)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '(')
}

// defines reports whether a typedef's new name is w's: the last word, or the one in (*NAME)(…).
func (w matcher) defines(text string) bool {
	name := regexp.QuoteMeta(w.id.Name)
	return regexp.MustCompile(`\b` + name + `(?: ?\[[^]]*\])*$|\(\* ?` + name + `\) ?\(|\b` + name + ` ?\([^()]*\)$`).MatchString(text)
}

// form says what s declares by w's name outside of all braces, if it does: a function where an argument list follows that
// belongs to no other one, a variable where the statement ends.
func (w matcher) form(text string) string {
	outer := w.word.FindStringIndex(text)
	if outer == nil || outer[0] == 0 {
		return "" // without a type before it, it is a macro that is used
	}
	before, after := text[:outer[0]], strings.TrimLeft(text[outer[1]:], " )")
	if strings.Count(before, "(")-strings.Count(before, ")") > 0 && !strings.HasSuffix(strings.TrimRight(before, " *"), "(") {
		return "" // a parameter
	}
	if strings.Contains(before, "=") || strings.HasSuffix(strings.TrimSpace(before), "struct") {
		return ""
	}
	switch {
	case strings.HasPrefix(after, "(") && strings.HasSuffix(text, "{}"):
		return "inline"
	case strings.HasPrefix(after, "("):
		return "function"
	case after == "" || after[0] == '[' || after[0] == '=' || after[0] == ',' || strings.HasPrefix(after, "__"):
		return "variable"
	}
	return ""
}

// member finds w's name among the members of a struct, those of nameless structs and unions in it included.
func (w matcher) member(s statement) (text string, line int, ok bool) {
	name := regexp.QuoteMeta(w.id.Name)
	ends := regexp.MustCompile(`(?:^|[\s*(,])` + name + `\s*(?:$|[\[:,)]|__)`)
	line = s.at
	start := line
	var part strings.Builder
	for _, c := range s.body {
		if c == '\n' {
			line++
		}
		switch c {
		case '{', '}', ';':
			if t := fold(part.String()); t != "" && ends.MatchString(t) && c != '{' {
				return t, start, true
			}
			part.Reset()
		default:
			if part.Len() == 0 && c > ' ' {
				start = line
			}
			if part.Len() > 0 || c > ' ' {
				part.WriteRune(c)
			}
		}
	}
	return "", 0, false
}

func (w matcher) constant(s statement) (text string, line int, ok bool) {
	line = s.at
	for part := range strings.SplitAfterSeq(s.body, ",") {
		t := fold(strings.TrimSuffix(part, ","))
		if name, _, _ := strings.Cut(t, " "); name == w.id.Name {
			return t, line + strings.Count(part[:strings.Index(part, name)], "\n"), true
		}
		line += strings.Count(part, "\n")
	}
	return "", 0, false
}
