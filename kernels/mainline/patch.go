package mainline

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Part is one patch of several: the files that match one of its patterns, as path.Match has them, below the module's folder.
type Part struct {
	Subject string   `json:"subject"` // without what begins it; empty: it is made up
	Files   []string `json:"files"`
}

// Patch is a patch in the form of a mail, as git am takes it.
type Patch struct {
	Name    string   `json:"name"` // of its file
	Subject string   `json:"subject"`
	Files   []string `json:"files"`
	Text    string   `json:"-"`
}

// ByFolder are the parts of a plan with one patch for each folder of the source, innermost first.
func (m *maker) byFolder() (parts []Part) {
	folders := map[string]bool{}
	for _, at := range m.shape.ours {
		folders[path.Dir(at)] = true
	}
	delete(folders, m.shape.Into)
	for _, f := range slices.Backward(slices.Sorted(maps.Keys(folders))) {
		below := strings.TrimPrefix(f, m.shape.Into+"/")
		parts = append(parts, Part{Subject: "add " + below + " of " + m.mods[0].name, Files: []string{below + "/*"}})
	}
	return parts
}

// SplitByFolder, as the only Part of a plan, stands for one for each folder.
var SplitByFolder = Part{Files: []string{"*/"}}

// patch writes the patches. What makes the module be built comes last, so that the tree builds after each of them.
func (m *maker) patch(context.Context) error {
	plan := m.Plan
	if len(plan) == 1 && slices.Equal(plan[0].Files, SplitByFolder.Files) {
		plan = m.byFolder()
	}
	rest := slices.Sorted(maps.Keys(m.shape.Files))
	type part struct {
		subject string
		files   []string
	}
	var parts []part
	for i, p := range plan {
		taken := part{subject: p.Subject}
		rest = slices.DeleteFunc(rest, func(at string) bool {
			if !slices.Contains(m.shape.ours, at) || !p.has(strings.TrimPrefix(at, m.shape.Into+"/")) {
				return false
			}
			taken.files = append(taken.files, at)
			return true
		})
		if taken.subject == "" {
			taken.subject = fmt.Sprintf("add part %d of %s", i+1, m.mods[0].name)
		}
		if len(taken.files) == 0 {
			m.todo("", "no file of the module is left for the patch %q of the plan", taken.subject)
			continue
		}
		parts = append(parts, taken)
	}
	last := "add the " + m.together() + " driver"
	parts = append(parts, part{last, rest})
	for i, p := range parts {
		m.shape.Patches = append(m.shape.Patches, m.mail(clean(p.subject), p.files, i+1, len(parts)))
	}
	return nil
}

func (p Part) has(name string) bool {
	return slices.ContainsFunc(p.Files, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// mail is one patch. It has no Signed-off-by: that is its author's word (Linux Documentation/process/submitting-patches.rst).
func (m *maker) mail(subject string, files []string, n, of int) Patch {
	p := Patch{Subject: m.subject() + ": " + subject, Files: files, Name: fmt.Sprintf("%04d-%s.patch", n, strings.Trim(strings.ToLower(strings.ReplaceAll(notInName.ReplaceAllString(strings.ToUpper(subject), "-"), "--", "-")), "-"))}
	number := ""
	if of > 1 {
		number = fmt.Sprintf(" %d/%d", n, of)
	}
	from := m.person()
	if from == "" {
		from = "TODO Name <todo@example.org>"
	}
	var b, diffs, stat strings.Builder
	fmt.Fprintf(&b, "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: %s\nSubject: [PATCH%s] %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n", from, number, p.Subject)
	b.WriteString(m.why() + "---\n")
	for _, at := range files {
		was, there := m.shape.base[at]
		text, added, gone := diff(at, was, m.shape.Files[at], there)
		diffs.WriteString(text)
		fmt.Fprintf(&stat, " %s | %d +, %d -\n", at, added, gone)
	}
	fmt.Fprintf(&b, "%s\n%s-- \nmodmatrix rehearse\n\n", stat.String(), diffs.String())
	if n == 1 {
		b.WriteString(m.baseLine())
	}
	p.Text = b.String()
	return p
}

// baseLine says what the patches apply to, as git format-patch --base does.
func (m *maker) baseLine() string {
	if m.Base != "" {
		return "base-commit: " + m.Base + "\n"
	}
	return "base-tree: linux " + m.Version + ", " + m.Of + " (no commit: name a git repository for a base-commit)\n"
}
