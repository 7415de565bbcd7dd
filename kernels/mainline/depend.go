package mainline

import (
	"context"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

var comments = regexp.MustCompile(`/\*[\s\S]*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"`)

// depend finds the options that provide what each module calls: it is a look at names, not a compiler's.
func (m *maker) depend(context.Context) error {
	taken := map[string]bool{}
	for i := range m.mods {
		mod := &m.mods[i]
		mod.option = m.freeOption(mod.name, taken)
		taken[mod.option] = true
		o := Option{Name: mod.option, Module: strings.ReplaceAll(mod.name, "-", "_"), Depends: []Need{}, Selects: []Need{}}
		for _, p := range m.provided(*mod) {
			switch known, ok := m.tree.Options[p.option]; {
			case !ok:
				m.todo("Kconfig", "%s needs %s of option %s, which no Kconfig file has: add what provides it", mod.name, p.symbol, p.option)
			case known.Chosen && !strings.HasPrefix(p.file, "lib/"):
				o.Depends = append(o.Depends, Need{p.option, p.symbol, p.file})
			default:
				o.Selects = append(o.Selects, Need{p.option, p.symbol, p.file})
			}
		}
		m.shape.Options = append(m.shape.Options, o)
	}
	return nil
}

// freeOption is a name for a module's option that no other has.
func (m *maker) freeOption(module string, taken map[string]bool) string {
	name := optionName(module)
	for _, try := range []string{name, optionName(path.Base(m.Into)) + "_" + name} {
		if _, there := m.tree.Options[try]; !there && !taken[try] {
			return try
		}
	}
	if m.tree.Modules[strings.ReplaceAll(module, "-", "_")] == "" {
		m.todo("Kconfig", "the options %s and %s_%[1]s are taken: choose another name", name, optionName(path.Base(m.Into)))
	}
	return name + "_NEW"
}

// provision is that a symbol comes from an option.
type provision struct{ option, symbol, file string }

// provided are the options that the module's symbols come from, each once, sorted.
func (m *maker) provided(mod module) []provision {
	used, ours := map[string]bool{}, map[string]bool{}
	for _, name := range mod.files {
		text := comments.ReplaceAllString(m.shape.Files[path.Join(m.shape.Into, name)], "")
		for _, at := range identifier.FindAllStringIndex(text, -1) {
			if before := strings.TrimRight(text[:at[0]], " \t"); !strings.HasSuffix(before, "->") && !strings.HasSuffix(before, ".") { // a member
				used[text[at[0]:at[1]]] = true
			}
		}
		for _, d := range regexp.MustCompile(`(?m)^(?:[A-Za-z_][\w \t*]*[ \t*])([A-Za-z_]\w*)[ \t]*\(`).FindAllStringSubmatch(text, -1) {
			ours[d[1]] = true
		}
	}
	for range 2 { // macros stand for macros
		for _, word := range slices.Collect(maps.Keys(used)) {
			if m.tree.Exports[word] == nil {
				for _, inside := range m.headers.macros[word] {
					used[inside] = used[inside] || m.tree.Exports[inside] != nil || m.headers.macros[inside] != nil && strings.HasPrefix(inside, "__")
				}
			}
		}
	}
	all := map[string]provision{}
	for _, word := range slices.Sorted(maps.Keys(used)) {
		if !used[word] || ours[word] && !strings.Contains(word, "register") || m.headers.inlined[word] || !m.headers.names[word] {
			continue
		}
		if p, ok := m.provision(word); ok {
			if _, known := all[p.option]; !known {
				all[p.option] = p
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b provision) int { return strings.Compare(a.option, b.option) })
}

// provision is the option of a symbol's file; false where the kernel always has it, or one of several files has it without.
func (m *maker) provision(symbol string) (provision, bool) {
	var first provision
	for _, file := range m.tree.Exports[symbol] {
		if top, _, _ := strings.Cut(file, "/"); slices.Contains(core, top) {
			return provision{}, false
		}
		opt, known := m.tree.provider(file)
		if !known || opt == "" {
			return provision{}, false
		}
		if first.option == "" {
			first = provision{opt, symbol, file}
		}
	}
	known := always[first.option]
	return first, first.option != "" && !known
}

// core are folders of what no driver asks for by an option: what is switched off there has stubs.
var core = []string{"arch", "init", "kernel", "mm"}

// always are options that no kernel with modules is without, or that none who builds a driver chooses.
var always = map[string]bool{"PRINTK": true, "MODULES": true, "SMP": true, "MMU": true, "SYSFS": true, "PROC_FS": true, "KALLSYMS": true, "BUG": true, "X86": true, "X86_64": true,
	"FUTEX": true, "EPOLL": true, "DEBUG_FS": true, "HOTPLUG_CPU": true, "LOCK_DEBUGGING_SUPPORT": true, "DEBUG_SPINLOCK": true, "TRACEPOINTS": true}
