package mainline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// Copy is a module that the tree has already, beside the one that is rehearsed.
type Copy struct {
	Module string     `json:"module"`
	Folder string     `json:"folder"` // of the tree
	Ours   string     `json:"our_version"`
	Theirs string     `json:"their_version"`
	Newer  string     `json:"newer"` // ours, theirs, same, or unknown
	Why    string     `json:"why"`
	Files  []CopyFile `json:"files"`
	Diff   string     `json:"-"` // from the tree's files to the module's
}

// CopyFile is one file of a module on both sides.
type CopyFile struct {
	Ours   string `json:"ours,omitempty"` // empty: only the tree has it
	Theirs string `json:"theirs,omitempty"`
	Added  int    `json:"added"` // lines that only ours has
	Gone   int    `json:"gone"`
}

// compare looks for modules that the tree has already.
func (m *maker) compare(ctx context.Context) error {
	for _, mod := range m.mods {
		folder, ok := m.tree.Modules[kernels.ModuleName(mod.name)]
		if !ok {
			continue
		}
		c, err := m.copyOf(ctx, mod, folder)
		if err != nil {
			return err
		}
		m.shape.Copies = append(m.shape.Copies, c)
		m.todo(folder, "the tree has a module %s already: send changes to it, not a second driver", mod.name)
	}
	return nil
}

func (m *maker) copyOf(ctx context.Context, mod module, folder string) (Copy, error) {
	c := Copy{Module: mod.name, Folder: folder}
	makefile, err := m.base(path.Join(folder, "Makefile"))
	if err != nil {
		return c, err
	}
	objects, _ := readMakefile(makefile).parts(mod.name)
	if len(objects) == 0 {
		objects = []string{mod.name}
	}
	theirs := map[string]string{} // by what they are called
	for _, o := range objects {
		if text, err := m.base(path.Join(folder, o+".c")); err == nil {
			theirs[o+".c"] = text
		}
	}
	for _, file := range mod.files { // headers, as far as ours have the same names
		if text, err := m.base(path.Join(folder, path.Base(file))); err == nil {
			theirs[path.Base(file)] = text
		}
	}
	var diffs strings.Builder
	for _, file := range mod.files {
		at := path.Join(m.shape.Into, file)
		was, there := theirs[path.Base(file)]
		f := CopyFile{Ours: at}
		if there {
			f.Theirs = path.Join(folder, path.Base(file))
			delete(theirs, path.Base(file))
		}
		text, err := m.diffTool(ctx, f, was, m.shape.Files[at])
		if err != nil {
			return c, err
		}
		f.Added, f.Gone = counted(text)
		diffs.WriteString(text)
		c.Files = append(c.Files, f)
	}
	for name, text := range theirs {
		c.Files = append(c.Files, CopyFile{Theirs: path.Join(folder, name), Gone: strings.Count(text, "\n")})
	}
	slices.SortFunc(c.Files, func(a, b CopyFile) int { return strings.Compare(a.Ours+a.Theirs, b.Ours+b.Theirs) })
	c.Diff = diffs.String()
	m.judge(&c, mod, folder, objects)
	return c, nil
}

// judge says who is newer: as MODULE_VERSION has it, where both have one.
func (m *maker) judge(c *Copy, mod module, folder string, objects []string) {
	first := func(all []string) string { return strings.Join(all[:min(len(all), 1)], "") }
	c.Ours = first(m.macro(mod, "MODULE_VERSION"))
	var texts []string
	for _, o := range objects {
		text, _ := m.base(path.Join(folder, o+".c")) // it was read before, or is not there
		texts = append(texts, text)
	}
	c.Theirs = first(macroOf(texts, "MODULE_VERSION"))
	same := !slices.ContainsFunc(c.Files, func(f CopyFile) bool { return f.Added+f.Gone > 0 })
	switch order := results.CompareVersions(c.Ours, c.Theirs); {
	case same:
		c.Newer, c.Why = "same", "the files are the same"
	case c.Ours == "" || c.Theirs == "":
		c.Newer, c.Why = "unknown", "not both have a MODULE_VERSION: read the difference, and the tree's log of "+folder
	case order > 0:
		c.Newer, c.Why = "ours", fmt.Sprintf("MODULE_VERSION %s is newer than %s", c.Ours, c.Theirs)
	case order < 0:
		c.Newer, c.Why = "theirs", fmt.Sprintf("MODULE_VERSION %s is older than %s", c.Ours, c.Theirs)
	default:
		c.Newer, c.Why = "unknown", "both are MODULE_VERSION "+c.Ours+" and they differ"
	}
}

// diffTool is what diff says of two texts.
func (m *maker) diffTool(ctx context.Context, f CopyFile, was, is string) (string, error) {
	work := filepath.Join(m.Work, "diff")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", err
	}
	for name, text := range map[string]string{"a": was, "b": is} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	theirs := "/dev/null"
	if f.Theirs != "" {
		theirs = "a/" + f.Theirs
	}
	var out bytes.Buffer
	exit, err := sandbox.Box{Root: m.Root, Dir: work}.Run(ctx, &out, "diff", "-u", "--label", theirs, "--label", "b/"+f.Ours, "a", "b")
	if err == nil && exit > 1 {
		err = fmt.Errorf("exit status %d", exit)
	}
	if err != nil {
		return "", fmt.Errorf("run diff: %w", err)
	}
	return out.String(), nil
}

func counted(diff string) (added, gone int) {
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "+++ ") || strings.HasPrefix(line, "--- "):
		case line[0] == '+':
			added++
		case line[0] == '-':
			gone++
		}
	}
	return added, gone
}
