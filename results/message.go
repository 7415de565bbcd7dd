package results

import (
	"regexp"
	"slices"
	"strings"
)

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
