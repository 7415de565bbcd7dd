package results

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxText bounds a foreign text within a report, in bytes. A reason is one line that a person reads.
const maxText = 600

// Plural is n of what word names; what does not take an s, it cannot count.
func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Plain makes text that comes from a guest, a compiler or a module fit for one line of a terminal: white space of
// every kind becomes a blank, and what does not print (control and escape characters, invalid UTF-8, marks that turn
// the direction of writing, zero-width characters) is shown as an escape, so that it can be seen and does nothing.
func Plain(s string) string {
	cut := len(s) > maxText
	if cut {
		end := maxText
		for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		case strings.ContainsRune("\t\n\v\f\r\u0085\u00a0\u2028\u2029", r):
			b.WriteByte(' ')
		case shows(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	if cut {
		b.WriteString(" …")
	}
	return Disarm(strings.TrimSpace(b.String()))
}

// blank are letters and marks that print nothing: a combining joiner, the fillers of Hangul, an empty Braille cell.
const blank = "\u034f\u115f\u1160\u2800\u3164\uffa0"

// shows says whether a reader sees r, and r does nothing else.
func shows(r rune) bool { return strconv.IsPrint(r) && !strings.ContainsRune(blank, r) }

// Disarm breaks up what CI systems take for commands in a log: "::" at the start of a line (GitHub), "##[", "##vso["
// and "##teamcity[" anywhere (GitHub's older form, Azure, TeamCity).
func Disarm(s string) string {
	s = strings.ReplaceAll(s, "##", `#\x23`)
	if strings.HasPrefix(s, "::") {
		return `\x3a` + s[1:]
	}
	return s
}

// ShellLine makes a command of words, which a terminal shows and a shell reads back as they are, but for what does not print.
// (syntax.Quote of mvdan.cc/sh leaves "!" open to the history of whoever pastes it, and quotes every NAME=VALUE.)
func ShellLine(words ...string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+=:,./-"
	var quoted []string
	for _, w := range words {
		if w = Plain(w); w == "" || strings.Trim(w, safe) != "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted = append(quoted, w)
	}
	return strings.Join(quoted, " ")
}

// PlainJSON passes JSON on to w, one whole value with each Write, and writes what does not show as an escape
// (\u202e), which means the same. A JSON encoder alone lets through DEL, C1 controls, and marks that turn the direction
// of writing, and a terminal or a reviewer's page would obey them.
func PlainJSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(text []byte) (int, error) {
	if _, err := j.w.Write(plainJSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// plainJSON leaves alone what is not ASCII only where it shows; JSON has such characters in strings alone (RFC 8259 §7).
func plainJSON(text []byte) []byte {
	if bytes.IndexFunc(text, func(r rune) bool { return r >= 0x7f }) < 0 { // nearly always, and large
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r < 0x7f || shows(r) && r != utf8.RuneError:
			out = append(out, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[n:]
	}
	return out
}

const maxMessage = 240

// gomegaOpens matches the line with which Gomega begins to describe a failure, before or below the words of whoever asked for it.
var gomegaOpens = regexp.MustCompile(`^(?:Expected|Unexpected error:|Expected success, but got an error:|Timed out after .*|Failed after .*)$`)

// gomegaType matches what Gomega says of a value before it shows it.
var gomegaType = regexp.MustCompile(`^    <[^<>]*>: ?`)

// Headline puts the message of a failed spec into one line: its first, but where Gomega spreads a sentence over several
// ("Expected", a value, "to equal", a value) all of them, without the types of the values.
func Headline(message string) string {
	message, _, _ = strings.Cut(message, "\nand then failed: ")
	lines := strings.Split(message, "\n")
	opens := slices.IndexFunc(lines[:min(len(lines), 2)], gomegaOpens.MatchString)
	if opens < 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
		return Clip(strings.TrimSpace(first))
	}
	text := sentence(lines[opens:])
	if opens == 1 {
		text = strings.TrimSuffix(lines[0], ":") + ": " + text
	}
	return Clip(text)
}

// sentence joins the lines of Gomega. An error has its words first and then its insides, in braces, which repeat them.
func sentence(lines []string) string {
	var words []string
	insides := false
	for _, l := range lines {
		switch {
		case l == "    {":
			insides = true
		case insides:
			insides = l != "    }"
		default:
			words = append(words, strings.Fields(gomegaType.ReplaceAllString(l, ""))...)
		}
	}
	return strings.NewReplacer("[ ", "[", ", ]", "]").Replace(strings.Join(words, " "))
}

// Clip shortens what a reason quotes.
func Clip(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}
