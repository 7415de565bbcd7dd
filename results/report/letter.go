package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// mailWidth is how wide text for a mailing list may be: a changelog is wrapped at 75, and is quoted before it is committed.
const mailWidth = 72

// letter is text for a mailing list: ASCII, lines of at most mailWidth, blank lines between paragraphs.
type letter struct{ text strings.Builder }

// paragraph is text of its own, wrapped.
func (l *letter) paragraph(text string) { l.gap(); l.lines("", "", text) }

// item is a point of a list, wrapped behind a dash.
func (l *letter) item(text string) { l.lines("- ", "  ", text) }

// fact is a line of a list of facts: what, and then how it is, wrapped below itself.
func (l *letter) fact(what, text string) {
	if text != "" {
		l.lines(fmt.Sprintf("%-*s", factIndent, what+":"), strings.Repeat(" ", factIndent), text)
	}
}

const factIndent = 12

// heading begins a part.
func (l *letter) heading(text string) {
	l.gap()
	l.text.WriteString(text + ":\n\n")
}

// gap is a blank line, where there is something above.
func (l *letter) gap() {
	if text := l.text.String(); text != "" && !strings.HasSuffix(text, "\n\n") {
		l.text.WriteString("\n")
	}
}

// table has its first column to the left and the others to the right. Where it is too wide, it goes on below, with the first column
// again.
func (l *letter) table(rows [][]string) {
	widths, sum := make([]int, len(rows[0])), 0
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], len(row[i]))
		}
		sum += 2 + widths[i]
	}
	gap := "  "
	if sum > mailWidth {
		gap = " "
	}
	for from := 1; from < len(widths); {
		to, used := from, 2+widths[0]
		for to < len(widths) && (to == from || used+len(gap)+widths[to] <= mailWidth) {
			used += len(gap) + widths[to]
			to++
		}
		l.gap()
		for _, row := range rows {
			line := fmt.Sprintf("  %-*s", widths[0], row[0])
			for i := from; i < to; i++ {
				line += fmt.Sprintf("%s%*s", gap, widths[i], row[i])
			}
			l.text.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		from = to
	}
}

// lines wraps text behind first, and what follows behind rest. No word is wider than a line, and no line begins like a trailer.
func (l *letter) lines(first, rest, text string) {
	line, empty := first, true
	for _, word := range pieces(text, mailWidth-max(len(first), len(rest))) {
		switch {
		case empty:
			if strings.TrimSpace(first) == "" {
				word = atStart(word, first)
			}
			line, empty = line+word, false
		case len(line)+1+len(word) <= mailWidth:
			line += " " + word
		default:
			l.text.WriteString(line + "\n")
			line = rest + atStart(word, rest)
		}
	}
	l.text.WriteString(line + "\n")
}

// atStart is word where it begins a line behind indent: no trailer, no command to a CI system that shows the text, and at the very
// start nothing at which git ends a message.
func atStart(word, indent string) string {
	if indent == "" && endsMessage.MatchString(word) {
		word = ">" + word
	}
	return noTrailer.ReplaceAllString(results.Disarm(word), `$1;`)
}

var endsMessage = regexp.MustCompile(`^(?:From|diff|Index:|-.*)$`)

// noTrailer matches a word that begins a trailer or a header, in a reader of mail that allows blanks before it (b4).
var noTrailer = regexp.MustCompile(`(?i)^([a-z-]+-by|cc|to|from|date|subject|link|buglink|closes|fixes|change-id|base-commit|message-id):$`)

// pieces are the words of text; one that is longer than a line becomes several.
func pieces(text string, width int) (all []string) {
	for word := range strings.FieldsSeq(text) {
		for ; len(word) > width; word = word[width:] {
			all = append(all, word[:width])
		}
		all = append(all, word)
	}
	return all
}

// mailed makes foreign text fit for a mail: ASCII alone, and no address in it, which a reader of trailers would look for, and which
// nobody consented to.
func mailed(s string) string {
	var b strings.Builder
	for _, r := range inASCII.Replace(results.Plain(s)) {
		if r < 0x20 || r > 0x7e {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// label is mailed for what begins a line of a table: no trailer, and not wide.
func label(s string) string { return clipPlain(strings.ReplaceAll(mailed(s), ": ", "; "), 44) }

// inASCII is what people write in mail for signs that are none of it.
var inASCII = strings.NewReplacer("…", "...", "–", "-", "—", "-", "‘", "'", "’", "'", "“", `"`, "”", `"`, "×", "x", "·", "-", "→", "->", "µ", "u", "@", "(at)")

// listed are the first of words, and how many more there are.
func listed(words []string, most int) string {
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most-1], ", "), len(words)-most+1)
}

// writeTo writes the letter.
func (l *letter) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, strings.TrimRight(l.text.String(), "\n")+"\n")
	return err
}
