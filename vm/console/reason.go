package console

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

var (
	// taintNotice is what the loader says of every out-of-tree module (Linux kernel/module/main.c); no reason for anything.
	taintNotice = regexp.MustCompile(`taint(s|ing) kernel|module verification failed|loading out-of-tree module`)
	// namedRE is the module that a line of the loader is about.
	namedRE = regexp.MustCompile(`^(?:BPF: |module: )?([\w-]+): |module \[?'?([\w-]+)|^Module ([\w-]+) `)
)

// Reason picks out of log the kernel's own words for a refused load of module, such as
// "fifo: Unknown symbol foo (err -2)". log is what the console showed while the load ran.
// When the loader said nothing, it is the last line that the module printed itself; empty when that is missing too. Where others are
// given, log is of this load alone: then a line that names none of them is the module's own as well.
func Reason(log []byte, module string, others ...string) string {
	module = wire.ModuleName(module)
	var loader, own, unnamed string
	for sp := range lines(log, 0) {
		if sp.User || sp.Text == "" || taintNotice.MatchString(sp.Text) {
			continue
		}
		name := namedModule(sp.Text)
		switch h, ok := classify(log, sp); {
		case ok && h.kind == KindModuleLoad && loader == "" && (name == "" || name == module):
			loader = sp.Text
		case name == module || strings.HasPrefix(wire.ModuleName(sp.Text), module+" "):
			own = sp.Text
		case !ok && len(others) > 0 && !slices.Contains(others, name):
			unnamed = sp.Text
		}
	}
	return cmp.Or(loader, own, unnamed)
}

// OfLoader reports whether words, as Reason returns them, are the module loader's own for a refusal, and not the module's.
func OfLoader(words string) bool {
	for sp := range lines([]byte(words), 0) {
		h, ok := classify([]byte(words), sp)
		return ok && h.kind == KindModuleLoad && h.severity == Note
	}
	return false
}

// namedModule returns the module that a line is about, with underscores; empty when it names none.
func namedModule(text string) string {
	m := namedRE.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	name := m[1] + m[2] + m[3]
	switch name {
	case "module", "insmod", "modprobe", "Lockdown", "which", "is": // words of the sentence, not a module
		return ""
	}
	return wire.ModuleName(name)
}
