package prebuilt

import (
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// maxBreaks is how many breaks a prediction lists.
const maxBreaks = 20

// Predict says what k will do with f, when the modules in set are loaded with it. It asks what the kernel's loader asks, in its
// order (Linux kernel/module/main.c, load_module), but goes on where that would stop: one break may hide the next.
func (k Kernel) Predict(f File, set []File) results.Prediction {
	p := results.Prediction{Binary: f.about(), Predicted: results.Taken}
	found := k.ofFile(f.Binary)
	found = append(found, k.symbols(f, set)...)
	open := k.open(f.Binary)
	switch {
	case len(found) > 0:
		p.Predicted, p.Why = results.Refused, found[0].String()
		p.Breaks = found[:min(len(found), maxBreaks)]
		if p.More = len(found) - len(p.Breaks); len(found) > 1 {
			p.Why += fmt.Sprintf("; and %d more", len(found)-1)
		}
	case open != "":
		p.Predicted, p.Why = results.Unknown, open
	default:
		p.Why = k.why(f.Binary)
	}
	return p
}

// why says by what a module is taken.
func (k Kernel) why(b Binary) string {
	n := len(slices.DeleteFunc(slices.Clone(b.Wants), func(w Want) bool { _, ok := k.Symbols[w.Name]; return !ok }))
	switch versions := k.versionsOf(b); {
	case k.Options[modversions] && versions == nil:
		return "it has no symbol versions, and is loaded by force (CONFIG_MODULE_FORCE_LOAD), which taints the kernel"
	case b.Release() == k.Release:
		return fmt.Sprintf("it was built for this kernel, which exports all %d symbols that it asks for", n)
	case k.Options[modversions]:
		return fmt.Sprintf("all %d symbols that it asks for have the versions that it was built with", n)
	}
	return fmt.Sprintf("its vermagic is the kernel's, which exports all %d symbols that it asks for", n)
}

// versionsOf are the symbol versions of b that k looks at; nil: none.
func (k Kernel) versionsOf(b Binary) map[string]uint32 {
	if b.Extended != nil && k.readsExtended() {
		return b.Extended
	}
	return b.Versions
}

// ofFile are the breaks that need no look at single symbols, but for module_layout, which stands for all that a module and a kernel have in common.
func (k Kernel) ofFile(b Binary) (found []results.Break) {
	if k.Options[sigForce] && !b.Signed {
		found = append(found, results.Break{Kind: results.BreakSignature})
	}
	if k.Machine != (machine{}) && b.Machine != k.Machine {
		found = append(found, results.Break{Kind: results.BreakMachine, Had: b.Machine.String(), Wanted: k.Machine.String()})
	}
	if k.Options[modversions] {
		switch versions := k.versionsOf(b); {
		case versions == nil && !k.Options[forceLoad]:
			found = append(found, results.Break{Kind: results.BreakNoVersions})
		case versions != nil:
			found = append(found, k.version("module_layout", versions)...)
		}
	}
	if k.Vermagic != "" && !k.sameMagic(b) {
		found = append(found, results.Break{Kind: results.BreakVermagic, Had: b.Vermagic, Wanted: k.Vermagic})
	}
	if b.Marks["livepatch"] && !k.Options[livepatch] {
		found = append(found, results.Break{Kind: results.BreakLivepatch})
	}
	return found
}

// sameMagic compares as same_magic of the kernel does: where it keeps symbol versions and the module has a section __versions, the
// release, which is the first word, does not count. Extended versions do not help there.
func (k Kernel) sameMagic(b Binary) bool {
	ours, theirs := b.Vermagic, k.Vermagic
	if k.Options[modversions] && b.Versions != nil {
		_, ours, _ = strings.Cut(ours, " ")
		_, theirs, _ = strings.Cut(theirs, " ")
	}
	return ours == theirs
}

// version is the break of a symbol whose version differs. That one has no version at all, kernels forgive, with a warning.
func (k Kernel) version(name string, versions map[string]uint32) []results.Break {
	want, known := k.Symbols[name]
	had, ok := versions[name]
	if !known || !ok || want.CRC == 0 || had == want.CRC {
		return nil
	}
	return []results.Break{{Kind: results.BreakVersion, Symbol: name, Had: fmt.Sprintf("0x%08x", had), Wanted: fmt.Sprintf("0x%08x", want.CRC)}}
}

// symbols are the breaks by single symbols. The other modules in set have exports of their own.
func (k Kernel) symbols(f File, set []File) (found []results.Break) {
	if k.Symbols == nil {
		return nil
	}
	beside := exportsBeside(f, set)
	there := k.loadedBefore(f.Binary)
	for _, w := range f.Wants {
		s, known := k.Symbols[w.Name]
		known = known && (there[s.Owner] || !beside[w.Name])
		switch {
		case known && there[s.Owner]:
			found = append(found, k.symbol(f.Binary, w, s)...)
		case beside[w.Name] || w.Weak || k.ignored(w.Name):
		case known:
			found = append(found, results.Break{Kind: results.BreakMissing, Symbol: w.Name, Wanted: s.Owner})
		default:
			found = append(found, results.Break{Kind: results.BreakMissing, Symbol: w.Name})
		}
	}
	for _, name := range f.Exports {
		if s, twice := k.Symbols[name]; twice && s.Owner != f.Name && there[s.Owner] {
			found = append(found, results.Break{Kind: results.BreakDuplicate, Symbol: name})
		}
	}
	return found
}

// exportsBeside are the symbols that the other modules in set offer to f.
func exportsBeside(f File, set []File) map[string]bool {
	names := map[string]bool{}
	for _, other := range set {
		if other.Name == f.Name {
			continue
		}
		for _, name := range other.Exports {
			names[name] = true
		}
	}
	return names
}

// loadedBefore are the owners of symbols that are there when b is loaded.
func (k Kernel) loadedBefore(b Binary) map[string]bool {
	there := map[string]bool{image: true}
	if k.Loads == nil {
		return there
	}
	for _, name := range k.Loads(b.Depends) {
		there[name] = true
	}
	return there
}

// symbol is the break of b by w, which k has as s: what find_symbol, check_version and verify_namespace_is_imported of the kernel look for.
func (k Kernel) symbol(b Binary, w Want, s Symbol) []results.Break {
	versions := k.versionsOf(b)
	switch {
	case s.GPL && !gplCompatible(b.License) && w.Weak: // not found, which it does not mind
	case s.GPL && !gplCompatible(b.License):
		return []results.Break{{Kind: results.BreakGPL, Symbol: w.Name, Had: b.License}}
	case k.Options[modversions] && len(k.version(w.Name, versions)) > 0:
		return k.version(w.Name, versions)
	case s.Namespace != "" && !k.Options[anyImports] && !imports(b, s.Namespace):
		return []results.Break{{Kind: results.BreakNamespace, Symbol: w.Name, Wanted: s.Namespace}}
	}
	return nil
}

// imports reports whether b may use the symbols in a namespace: one that it imports, or one that names it, as "module:a,b*" does from
// 6.16 on (Linux kernel/module/main.c, verify_module_namespace).
func imports(b Binary, namespace string) bool {
	if list, ok := strings.CutPrefix(namespace, "module:"); ok {
		for _, pattern := range strings.Split(list, ",") {
			plain := func(name string) string { return strings.ReplaceAll(name, "-", "_") }
			if match, err := path.Match(plain(pattern), b.Name); match && err == nil {
				return true
			}
		}
		return false
	}
	return slices.Contains(b.Imports, namespace)
}

// gplCompatible are the licences that the kernel takes for the GPL (Linux include/linux/license.h).
func gplCompatible(licence string) bool {
	return slices.Contains([]string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}, licence)
}

// notLookedFor are symbols that a kernel does not look for, by Kbuild's word for its architecture: Linux kernel/module/main.c,
// ignore_undef_symbol; arch/powerpc/kernel/module_64.c, dedotify.
var notLookedFor = map[string]string{"x86": "_GLOBAL_OFFSET_TABLE_", "powerpc": ".TOC."}

func (k Kernel) ignored(name string) bool {
	a, ok := arch.OfELF(elf.FileHeader{Machine: k.Machine.Machine, Class: k.Machine.Class, Data: k.Machine.Data})
	return ok && notLookedFor[a.Kbuild] == name
}

// open is what cannot be told from the files alone; empty where nothing is left open.
func (k Kernel) open(b Binary) string {
	same := b.Release() == k.Release
	switch {
	case k.Symbols == nil:
		return "the kernel's headers have no Module.symvers"
	case k.Vermagic == "":
		return "the kernel has no module of its own that would say its vermagic"
	case k.Options[sigForce]:
		return "the kernel takes modules that are signed with a key that it trusts, and whose signature this is cannot be told"
	case k.Struct != 0 && b.Struct != k.Struct && !k.Options[modversions]:
		return fmt.Sprintf("its struct module has %d bytes, and those of the kernel's own modules have %d", b.Struct, k.Struct)
	case b.BTF && !same && k.Options[btf] && !k.Options[anyBTF]:
		return "its types (BTF) refer to those of the kernel that it was built for, and whether they fit this one only the kernel can say"
	}
	return ""
}

// Notes are what k has to say of a module that it takes.
func (k Kernel) Notes(f File) (notes []string) {
	if (k.Options[retpoline] || k.Options[newRet]) && !f.Marks["retpoline"] && f.Machine == k.Machine {
		notes = append(notes, fmt.Sprintf("%s was not compiled with retpolines, and this kernel is: it warns of that where the processor needs them", f.Name))
	}
	return notes
}
