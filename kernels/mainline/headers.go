package mainline

import (
	"path"
	"path/filepath"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels"
)

// headers is what the kernel's headers define, as far as the module's source includes them, be it by other headers.
type headers struct {
	defined map[string]string   // a macro: the header
	macros  map[string][]string // one with arguments: the names in what it stands for
	names   map[string]bool     // what is declared: functions, and data that is extern
	inlined map[string]bool     // functions that are static inline, under some configuration at least
}

var (
	inlined    = regexp.MustCompile(`(?m)^static[ \t]+(?:inline|__always_inline)[ \t][^;{}()]*?\b([A-Za-z_]\w*)[ \t]*\(`)
	macroLine  = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)(\(?)((?:[^\n\\]|\\(?s:.))*)`)
	declared   = regexp.MustCompile(`\b([A-Za-z_]\w*)[ \t]*\(|\bextern\b[^;(){}]*?\b([A-Za-z_]\w*)[ \t]*(?:\[[^\]]*\][ \t]*)*;`)
	identifier = regexp.MustCompile(`[A-Za-z_]\w{2,}`)
)

// headerFolders are where the kernel looks for a header (Linux Makefile, LINUXINCLUDE).
var headerFolders = []string{ofArch + "/include", "include", ofArch + "/include/uapi", "include/uapi"}

// readHeaders reads all headers of the kernel that the module's files include, and those that these include.
func (m *maker) readHeaders() headers {
	h := headers{map[string]string{}, map[string][]string{}, map[string]bool{}, map[string]bool{}}
	seen := map[string]bool{}
	var next []string
	follow := func(from, text string) {
		for _, inc := range included.FindAllStringSubmatch(text, -1) {
			for _, dir := range append([]string{path.Dir(from)}, headerFolders...) {
				if at := path.Join(dir, inc[2]); filepath.IsLocal(at) && !seen[at] && m.inFolder(at) {
					seen[at] = true
					next = append(next, at)
				}
			}
			if name, ok := cutAsm(inc[2]); ok && !seen["include/asm-generic/"+name] && m.inFolder("include/asm-generic/"+name) {
				seen["include/asm-generic/"+name] = true
				next = append(next, "include/asm-generic/"+name)
			}
		}
	}
	for _, at := range m.shape.ours {
		follow(at, m.shape.Files[at])
	}
	for ; len(next) > 0; next = next[1:] {
		text, err := kernels.ReadRegular(m.linux, next[0], maxFile)
		if err != nil {
			continue
		}
		follow(next[0], string(text))
		h.add(next[0], string(text))
	}
	return h
}

func cutAsm(name string) (string, bool) {
	rest, ok := path.Base(name), path.Dir(name) == "asm"
	return rest, ok
}

func (h headers) add(name, text string) {
	for _, d := range macroLine.FindAllStringSubmatch(text, -1) {
		if h.defined[d[1]] == "" {
			h.defined[d[1]] = name
		}
		if d[2] == "(" && h.macros[d[1]] == nil {
			h.macros[d[1]] = identifier.FindAllString(d[3], -1)
		}
	}
	for _, d := range declared.FindAllStringSubmatch(text, -1) {
		h.names[d[1]+d[2]] = true
	}
	for _, f := range inlined.FindAllStringSubmatch(text, -1) {
		h.inlined[f[1]] = true
	}
}
