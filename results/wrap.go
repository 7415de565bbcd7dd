package results

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Wrapped breaks text at its blanks into lines of that width, all but the first behind indent blanks; a word that is longer
// stays whole. What is made of text that Plain has seen can be shown as that can.
func Wrapped(text string, width, indent int) string {
	var out strings.Builder
	at := 0
	for word := range strings.SplitSeq(text, " ") {
		switch n := ansi.StringWidth(word); {
		case at == 0:
			at = n
		case at+1+n > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			word = disarm(word) // it begins a line now
			at = n
		default:
			out.WriteString(" ")
			at += 1 + n
		}
		out.WriteString(word)
	}
	return out.String()
}
