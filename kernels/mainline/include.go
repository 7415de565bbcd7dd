package mainline

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// include puts #include lines right: the module's own headers stand in quotes as seen from the file, the kernel's in angle brackets.
func (m *maker) include(context.Context) error {
	for _, mod := range m.mods {
		for _, name := range mod.files {
			at := path.Join(m.shape.Into, name)
			m.shape.Files[at] = included.ReplaceAllStringFunc(m.shape.Files[at], func(line string) string { return m.includeLine(mod, name, line) })
		}
	}
	return nil
}

func (m *maker) includeLine(mod module, from, line string) string {
	inc := included.FindStringSubmatch(line)
	name := inc[2]
	is := func(quote, end, name string) string {
		return strings.Replace(line, inc[1]+inc[2]+map[string]string{`"`: `"`, "<": ">"}[inc[1]], quote+name+end, 1)
	}
	if found := m.found(&mod, from, name); found != "" && (inc[1] == `"` || !m.has(name)) {
		beside, err := filepath.Rel(path.Dir(from), found)
		if err != nil {
			return line
		}
		return is(`"`, `"`, beside)
	}
	if m.has(name) {
		return is("<", ">", name)
	}
	if inc[1] == `"` && m.inFolder(path.Join(m.shape.Into, path.Dir(from), name)) {
		return line
	}
	m.todo(path.Join(m.shape.Into, from), "#include of %s: neither the source nor the kernel's headers have it", name)
	return line
}

// madeHeaders begin the names of headers that a build of the kernel makes.
var madeHeaders = []string{"generated/", "asm/", "config/"}

// has reports whether a header is one of the kernel's.
func (m *maker) has(name string) bool {
	if slices.ContainsFunc(madeHeaders, func(p string) bool { return strings.HasPrefix(name, p) }) || name == "linux/version.h" {
		return true
	}
	for _, dir := range []string{"include", "include/uapi", ofArch + "/include"} {
		if m.inFolder(path.Join(dir, name)) {
			return true
		}
	}
	return false
}

func (m *maker) inFolder(name string) bool {
	if !filepath.IsLocal(name) {
		return false
	}
	info, err := m.linux.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

var compilerFlags = regexp.MustCompile(`(?m)^[ \t]*((?:ccflags-y|EXTRA_CFLAGS|subdir-ccflags-y|CFLAGS_[\w.-]+|asflags-y)[ \t]*[:+?]?=[ \t]*[^\n]*)$`)

// flags are the compiler's flags of a module's Makefile, as questions: most are of no use in the tree.
func (m *maker) flags(folder string) {
	text, err := m.makefileOf(folder)
	if err != nil {
		return
	}
	for _, line := range compilerFlags.FindAllStringSubmatch(continued.ReplaceAllString(text, " "), -1) {
		m.todo(path.Join(m.shape.Into, "Makefile"), "left out: %q; add what of it the driver needs", strings.Join(strings.Fields(line[1]), " "))
	}
}

// textOf is a file of the module as it came; empty where it cannot be read.
func (m *maker) textOf(name string) string {
	text, _ := kernels.ReadRegular(m.src, name, maxFile) // it was read before
	return string(text)
}
