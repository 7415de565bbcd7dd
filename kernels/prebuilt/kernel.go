package prebuilt

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// Kernel is what decides whether a kernel takes a module. It is plain data, but for Loads.
type Kernel struct {
	Release  string
	Vermagic string            // as its own modules have it; empty: it has none to ask
	Machine  machine           // likewise
	Struct   uint64            // bytes of struct module, likewise
	Symbols  map[string]Symbol // nil: it has no Module.symvers
	Options  map[string]bool   // those of options that are enabled
	// Loads are the kernel's own modules that are loaded before one that depends on those named; nil: none ever is.
	Loads func(depends []string) []string
}

// The options that count (Linux kernel/module/Kconfig, lib/Kconfig.debug, arch/x86/Kconfig).
const (
	modversions = "MODVERSIONS"
	forceLoad   = "MODULE_FORCE_LOAD"
	sigForce    = "MODULE_SIG_FORCE"
	anyImports  = "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS"
	livepatch   = "LIVEPATCH"
	btf         = "DEBUG_INFO_BTF_MODULES"
	anyBTF      = "MODULE_ALLOW_BTF_MISMATCH"
	retpoline   = "RETPOLINE"
	newRet      = "MITIGATION_RETPOLINE" // its name from 6.9 on
	basic       = "BASIC_MODVERSIONS"    // a kernel that asks for it reads extended versions (from 6.14 on)
	extended    = "EXTENDED_MODVERSIONS" // likewise
)

var options = []string{modversions, forceLoad, sigForce, anyImports, livepatch, btf, anyBTF, retpoline, newRet, basic, extended}

// KernelOf reads what tree has to say. That it has no Module.symvers, or no module of its own, is no error: then less can be predicted.
func KernelOf(tree *kernels.Tree) (Kernel, error) {
	k := Kernel{Release: tree.Target.Release, Options: map[string]bool{}}
	for _, name := range options {
		k.Options[name] = tree.Config.Enabled(name)
	}
	if file, ok := kbuild.Find(tree, path.Join(tree.KDIR, "Module.symvers")); ok {
		var err error
		if k.Symbols, err = readSymvers(file); err != nil {
			return k, err
		}
	}
	k.Loads = func(depends []string) (names []string) {
		for _, name := range depends {
			files, _ := tree.Closure(name) // what the kernel has not is not loaded
			for _, file := range files {
				names = append(names, kernels.ModuleName(file))
			}
		}
		return names
	}
	return k, k.ask(tree)
}

// ask lets one of the kernel's own modules say what it was built for.
func (k *Kernel) ask(tree *kernels.Tree) error {
	file, ok, err := tree.AnyModule()
	if !ok || err != nil {
		return err
	}
	data, err := kernels.ReadModule(file)
	if err != nil {
		return err
	}
	own, err := Read(filepath.Base(file), data)
	if err != nil {
		return fmt.Errorf("read a module of %s: %w", k.Release, err)
	}
	if own.Release() != k.Release {
		return fmt.Errorf("read a module of %s: %w", k.Release, errors.New(clean(file)+" is for "+clean(own.Release())))
	}
	k.Vermagic, k.Machine, k.Struct = own.Vermagic, own.Machine, own.Struct
	return nil
}

// readsExtended reports whether k looks at extended symbol versions.
func (k Kernel) readsExtended() bool { return k.Options[basic] || k.Options[extended] }
