package kernels

import (
	"slices"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

// ArchOf is the architecture that a kernel is configured for; ok is false where it is none that there is a row of.
func ArchOf(c kconfig.Config) (_ arch.Arch, ok bool) {
	all := arch.All()
	i := slices.IndexFunc(all, func(a arch.Arch) bool {
		return !slices.ContainsFunc(a.Kernel.Marks, func(symbol string) bool { return !c.Enabled(symbol) })
	})
	if i < 0 {
		return arch.Arch{}, false
	}
	return all[i], true
}

// Machine is the row of the architecture that t's kernel is of; this machine's where t names none that has a row.
func (t Target) Machine() arch.Arch {
	if a, ok := arch.OfMachine(t.Arch); ok {
		return a
	}
	return arch.Host()
}

// Architecture is the row of the architecture whose kernels are meant: what is named, else the only one that has the flavour, else this
// machine's own.
func (s Selector) Architecture() arch.Arch {
	if a, ok := arch.Named(s.Arch); ok {
		return a
	}
	if a, ok := arch.OfFlavour(s.Flavour); ok {
		return a
	}
	return arch.Host()
}

// TakesArch reports whether an architecture can be chosen for what s names. A kernel that is there already has one.
func (s Selector) TakesArch() bool {
	return slices.Contains([]string{"debian", "git", "tar"}, s.Source)
}

// NamesArch reports whether s itself says which architecture is meant.
func (s Selector) NamesArch() bool {
	_, of := arch.OfFlavour(s.Flavour)
	return s.Arch != "" || of
}
