package kbuild

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// Problem is a reason why the kernel may well refuse a module, seen before any boot. It is a forecast and no verdict: what the
// kernel says when the module is loaded is what counts.
type Problem struct {
	Module string // by the name the kernel knows it by
	Kind   string // unresolved, version, gpl-only or namespace
	Symbol string
	Hint   string // what may be behind it, where something was found; else empty
}

// String is the problem in one line.
func (p Problem) String() string {
	what := map[string]string{
		"unresolved": "the kernel exports no %s",
		"version":    "%s was built for another kernel's prototype (CRC)",
		"gpl-only":   "%s is for modules under a GPL-compatible licence only",
		"namespace":  "%s lies in a namespace that the module does not import",
	}[p.Kind]
	line := p.Module + ": " + fmt.Sprintf(what, p.Symbol)
	if p.Hint != "" {
		line += ": " + p.Hint
	}
	return line
}

// Predict compares what the modules of a build ask for with what the kernel of tree, the build itself and the Module.symvers in
// symbols offer. It answers the problems by module and symbol, none where all is well. Weak symbols may be missing.
func Predict(tree *kernels.Tree, a *Artifact, symbols []string) ([]Problem, error) {
	files := slices.Clone(symbols)
	if a.Symvers != "" {
		files = append(files, a.Symvers)
	}
	exports, err := exportsFor(tree, files)
	if err != nil {
		return nil, fmt.Errorf("predict loading: %w", err)
	}
	var asked []needs
	for _, m := range a.Modules {
		n, err := readNeeds(m)
		if err != nil {
			return nil, fmt.Errorf("predict loading of %s: %w", m.Name, err)
		}
		for name := range n.exported {
			if _, have := exports[name]; !have {
				exports[name] = export{}
			}
		}
		asked = append(asked, n)
	}
	var problems []Problem
	for _, n := range asked {
		problems = append(problems, n.problems(exports, tree.Config.Enabled("MODVERSIONS"))...)
	}
	hint(tree, problems)
	return problems, nil
}

// needs is what a module asks of the kernel.
type needs struct {
	module   Module
	symbols  []string          // undefined and not weak, sorted
	versions map[string]uint32 // CRC that each was built for
	imports  []string          // namespaces
	exported map[string]bool   // its own exports
}

// readNeeds reads a .ko.
func readNeeds(m Module) (needs, error) {
	n := needs{module: m, versions: map[string]uint32{}, exported: map[string]bool{}}
	data, err := readBounded(m.Path)
	if err != nil {
		return n, err
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return n, err
	}
	symbols, err := file.Symbols()
	if err != nil {
		return n, err
	}
	for _, s := range symbols {
		if name, own := strings.CutPrefix(s.Name, "__ksymtab_"); own && s.Section != elf.SHN_UNDEF {
			n.exported[name] = true
		}
		if s.Section == elf.SHN_UNDEF && s.Name != "" && elf.ST_BIND(s.Info) == elf.STB_GLOBAL && s.Name != "_GLOBAL_OFFSET_TABLE_" {
			n.symbols = append(n.symbols, s.Name)
		}
	}
	slices.Sort(n.symbols)
	n.symbols = slices.Compact(n.symbols)
	n.readVersions(file)
	for _, field := range bytes.Split(sectionData(file, ".modinfo"), []byte{0}) {
		if namespace, ok := bytes.CutPrefix(field, []byte("import_ns=")); ok {
			n.imports = append(n.imports, string(namespace))
		}
	}
	return n, nil
}

// sectionData is the content of a section, empty where there is none to read.
func sectionData(file *elf.File, name string) []byte {
	s := file.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Size > maxModinfo {
		return nil
	}
	data, err := s.Data()
	if err != nil {
		return nil
	}
	return data
}

// versionSize is the size of a struct modversion_info: a CRC in the room of a long, and a name (Linux include/linux/moduleparam.h).
const versionSize = 64

// readVersions reads the CRCs, which lie in one section of pairs or, since 6.14 and for long names, in two of their own.
func (n *needs) readVersions(file *elf.File) {
	for raw := sectionData(file, "__versions"); len(raw) >= versionSize; raw = raw[versionSize:] {
		name, _, _ := bytes.Cut(raw[8:versionSize], []byte{0})
		n.versions[string(name)] = uint32(file.ByteOrder.Uint64(raw))
	}
	crcs := sectionData(file, "__version_ext_crcs")
	for name := range bytes.SplitSeq(sectionData(file, "__version_ext_names"), []byte{0}) {
		if len(crcs) < 4 || len(name) == 0 {
			break
		}
		n.versions[string(name)] = file.ByteOrder.Uint32(crcs)
		crcs = crcs[4:]
	}
}

// problems compares what is asked with what there is. The CRCs of a kernel that keeps none say nothing.
func (n needs) problems(exports map[string]export, versioned bool) (found []Problem) {
	add := func(kind, symbol, hint string) {
		found = append(found, Problem{Module: n.module.Name, Kind: kind, Symbol: symbol, Hint: hint})
	}
	for _, symbol := range n.symbols {
		e, have := exports[symbol]
		switch {
		case n.exported[symbol]:
		case !have:
			add("unresolved", symbol, "")
		case e.gpl && !slices.Contains(gplCompatible, n.module.License):
			add("gpl-only", symbol, "its licence is "+cmp.Or(clean(n.module.License), "not said"))
		case !e.admits(n.module.Name, n.imports):
			add("namespace", symbol, e.namespace)
		}
	}
	for _, symbol := range slices.Sorted(maps.Keys(n.versions)) {
		if e := exports[symbol]; versioned && e.crc != 0 && e.crc != n.versions[symbol] {
			add("version", symbol, fmt.Sprintf("%#08x, and the kernel has %#08x", n.versions[symbol], e.crc))
		}
	}
	return found
}
