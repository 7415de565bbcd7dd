package mainline

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// address is a name with a mail address, as MODULE_AUTHOR and MAINTAINERS have them.
var address = regexp.MustCompile(`^[^<>@]+ <[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+>$`)

var titleOfEntry = regexp.MustCompile(`^[A-Z0-9][^\n:]*$`)

// maintain writes the entry of MAINTAINERS, where its title comes in order.
func (m *maker) maintain(context.Context) error {
	person := m.person()
	if person == "" {
		m.todo("MAINTAINERS", "nobody with a mail address is named: no MODULE_AUTHOR has one, and git has no user; write your line M:")
		person = "TODO Name <todo@example.org>"
	}
	title := strings.ToUpper(strings.NewReplacer("_", " ", "-", " ").Replace(m.together())) + " DRIVER"
	entry := []string{title, "M:\t" + person, "S:\tMaintained"}
	if m.shape.Into != m.Into {
		entry = append(entry, "F:\t"+m.shape.Into+"/")
	} else {
		for _, file := range m.shape.ours {
			entry = append(entry, "F:\t"+file)
		}
	}
	m.todo("MAINTAINERS", "S: says Maintained: change it where you are paid for it (Supported), and add L: and T: of the subsystem")
	return m.change("MAINTAINERS", func(text string) string { return insertMaintainer(text, strings.Join(entry, "\n")+"\n") })
}

// person is who sends the patches, or wrote the module.
func (m *maker) person() string {
	if address.MatchString(m.Author) {
		return m.Author
	}
	for _, mod := range m.mods {
		for _, said := range m.macro(mod, "MODULE_AUTHOR") {
			if address.MatchString(said) {
				return said
			}
		}
	}
	return ""
}

// insertMaintainer puts an entry before the first whose title comes after its own: entries are separated by empty lines.
func insertMaintainer(text, entry string) string {
	title, _, _ := strings.Cut(entry, "\n")
	paragraphs := strings.Split(text, "\n\n")
	at, least, before := len(paragraphs), -1, 0
	for i, p := range paragraphs { // the place with the fewest out of order: the file is not all in order
		head, _, _ := strings.Cut(p, "\n")
		if !isEntry(p) {
			continue
		}
		after := 0
		for _, q := range paragraphs[i:] {
			if next, _, _ := strings.Cut(q, "\n"); isEntry(q) && next != rest && next < title {
				after++
			}
		}
		if wrong := before + after; least < 0 || wrong < least {
			at, least = i, wrong
		}
		if head > title {
			before++
		}
		if head == rest {
			break
		}
	}
	return strings.Join(slices.Insert(paragraphs, at, strings.TrimRight(entry, "\n")), "\n\n")
}

// rest is the last entry of MAINTAINERS.
const rest = "THE REST"

// isEntry reports whether a paragraph is one of a subsystem: a title, and lines that begin with a letter and a colon.
func isEntry(paragraph string) bool {
	head, lines, ok := strings.Cut(paragraph, "\n")
	return ok && titleOfEntry.MatchString(head) && len(lines) > 2 && lines[1] == ':' && lines[2] == '\t'
}

// subject is what the first line of a patch begins with: the folders, as logs of the kernel have them.
func (m *maker) subject() string {
	parts := strings.Split(m.Into, "/")
	if parts[0] == "drivers" && len(parts) > 1 {
		parts = parts[1:]
	}
	return strings.Join(parts, ": ")
}

// why is the text of a patch, before what only its author knows.
func (m *maker) why() string {
	var b strings.Builder
	for _, mod := range m.mods {
		for _, line := range wrap(fmt.Sprintf("Add %s: %s.", mod.name, m.describe(mod)), 72) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
