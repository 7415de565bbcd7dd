package mainline

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// enter writes the entries of Kconfig and the lines of the Makefile.
func (m *maker) enter(context.Context) error {
	var entries, lines strings.Builder
	var flagged []string
	for i, mod := range m.mods {
		entries.WriteString(m.entry(i))
		if !slices.Contains(flagged, mod.folder) {
			flagged = append(flagged, mod.folder)
			m.flags(mod.folder)
		}
		if mod.folder != "." {
			m.todo(path.Join(m.shape.Into, "Makefile"), "%s is made in the folder %s: its objects are named from the one Makefile above", mod.name, mod.folder)
		}
		lines.WriteString("obj-$(CONFIG_" + mod.option + ") += " + mod.name + ".o\n")
		if !mod.alone || mod.folder != "." {
			lines.WriteString(mod.name + "-y := ")
			for j, object := range mod.objects {
				if j > 0 {
					lines.WriteString(" ")
				}
				lines.WriteString(path.Join(mod.folder, object) + ".o")
			}
			lines.WriteString("\n")
		}
	}
	if m.shape.Into == m.Into {
		return m.enterInto(entries.String(), lines.String())
	}
	m.shape.Files[path.Join(m.shape.Into, "Kconfig")] = "# SPDX-License-Identifier: GPL-2.0-only\n" + entries.String()
	m.shape.Files[path.Join(m.shape.Into, "Makefile")] = "# SPDX-License-Identifier: GPL-2.0-only\n" + lines.String()
	var folder strings.Builder
	for _, mod := range m.mods {
		folder.WriteString("obj-$(CONFIG_" + mod.option + ") += " + path.Base(m.shape.Into) + "/\n")
	}
	return m.enterInto(fmt.Sprintf("\nsource %q\n", path.Join(m.shape.Into, "Kconfig")), folder.String())
}

// enterInto adds to the Kconfig and the Makefile of the folder that was named.
func (m *maker) enterInto(entry, lines string) error {
	err := m.change(path.Join(m.Into, "Makefile"), func(text string) string { return m.withoutOwn(text) + lines })
	if err != nil {
		return err
	}
	return m.change(path.Join(m.Into, "Kconfig"), func(text string) string { return insertEntry(text, entry) })
}

// withoutOwn is a Makefile that ends with a line feed.
func (m *maker) withoutOwn(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

var lastLine = regexp.MustCompile(`(?m)^(endmenu|endif)\b[^\n]*\n?[\s#]*\z`)

// insertEntry puts an entry before the lines that close a Kconfig, and before what other folders have there, if that ends it.
func insertEntry(text, entry string) string {
	at := len(text)
	for {
		end := lastLine.FindStringIndex(text[:at])
		if end == nil {
			break
		}
		at = end[0]
	}
	body := strings.TrimRight(text[:at], "\n")
	for {
		line := body[strings.LastIndexByte(body, '\n')+1:]
		if !strings.HasPrefix(strings.TrimSpace(line), "source ") {
			break
		}
		body = strings.TrimRight(strings.TrimSuffix(body, line), "\n")
	}
	after := strings.TrimLeft(text[len(body):], "\n")
	if strings.HasPrefix(entry, "\nsource") { // to the others
		body, after = strings.TrimRight(text[:at], "\n"), text[at:]
		entry = strings.TrimPrefix(entry, "\n")
		if !strings.HasPrefix(body[strings.LastIndexByte(body, '\n')+1:], "source ") {
			entry = "\n" + entry
		}
	} else if after != "" {
		after = "\n" + after
	}
	return body + "\n" + entry + after
}

// helpWidth makes four lines at least of the help, which the kernel's checkpatch.pl wants.
const helpWidth = 60

// entry is the entry of Kconfig for one module.
func (m *maker) entry(i int) string {
	mod, o := m.mods[i], m.shape.Options[i]
	title := m.describe(mod)
	var b strings.Builder
	fmt.Fprintf(&b, "\nconfig %s\n\ttristate %q\n", mod.option, title)
	for _, d := range o.Depends {
		fmt.Fprintf(&b, "\tdepends on %s\n", d.Option)
	}
	for _, s := range o.Selects {
		fmt.Fprintf(&b, "\tselect %s\n", s.Option)
	}
	b.WriteString("\thelp\n")
	text := fmt.Sprintf("Say Y or M here for %s: %s.", mod.name, title)
	lines := append(wrap(text, helpWidth), "")
	lines = append(lines, wrap(fmt.Sprintf("To compile this driver as a module, choose M here: the module will be called %s.", mod.name), helpWidth)...)
	lines = append(lines, "", "If unsure, say N.")
	for _, line := range lines {
		b.WriteString(strings.TrimRight("\t  "+line, " \t") + "\n")
	}
	m.todo(path.Join(m.shape.Into, "Kconfig"), "the help of %s is made of its MODULE_DESCRIPTION: say what the device or the feature is, and who wants it", mod.option)
	return b.String()
}

// macro is what one of the MODULE_… macros of a source says, texts that follow on each other joined.
func (m *maker) macro(mod module, name string) []string {
	var texts []string
	for _, file := range mod.files {
		texts = append(texts, m.textOf(file))
	}
	return macroOf(texts, name)
}

var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

func macroOf(texts []string, name string) (all []string) {
	call := regexp.MustCompile(`(?m)^[ \t]*` + name + `[ \t]*\([ \t\n]*((?:"(?:[^"\\]|\\.)*"[ \t\n]*)+)\)`)
	for _, text := range texts {
		for _, c := range call.FindAllStringSubmatch(text, -1) {
			said := ""
			for _, t := range quoted.FindAllStringSubmatch(c[1], -1) {
				said += strings.NewReplacer(`\"`, `"`, `\n`, " ", `\t`, " ").Replace(t[1])
			}
			all = append(all, strings.Join(strings.Fields(clean(said)), " "))
		}
	}
	return all
}

// describe is what a module is, in a few words.
func (m *maker) describe(mod module) string {
	if said := m.macro(mod, "MODULE_DESCRIPTION"); len(said) > 0 {
		return strings.TrimRight(strings.ReplaceAll(said[0], `"`, "'"), ". ")
	}
	m.todo("", "%s has no MODULE_DESCRIPTION: its title in Kconfig is made up", mod.name)
	return mod.name + " driver"
}

// clean drops what no line of a text may hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
