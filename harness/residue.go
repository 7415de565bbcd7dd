package harness

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// slabTrace begins a guest's report of a slab cache that is left behind.
const slabTrace = "/sys/kernel/slab: "

// dropForeignResidue leaves out of the residue what the kernel's own modules may have left, which were loaded for the one under test, or
// beside it, and stay: scsi_mod makes its sense cache for the first host that registers and keeps it (drivers/scsi/scsi_lib.c,
// scsi_init_sense_cache). A slab cache is the module's own if its name stands in the module's file.
func (c *cell) dropForeignResidue(e *judge.Evidence, p *part) {
	others := slices.Concat(foreign(slices.Concat(c.built.depends, c.built.Modules)), p.requested.modules, c.run.kernelModules())
	if len(e.Guest.Residue) == 0 || len(others) == 0 {
		return
	}
	e.Guest.Residue = slices.DeleteFunc(slices.Clone(e.Guest.Residue), func(thing string) bool {
		name, slab := strings.CutPrefix(thing, slabTrace)
		if !slab || names(c.built.Modules, name) {
			return false
		}
		e.Notes = append(e.Notes, "left by what the module depends on, or by what it called: "+thing)
		return true
	})
}

// names reports whether a text stands in one of the modules' files. One that cannot be read is held to have it.
func names(modules []kbuild.Module, text string) bool {
	return slices.ContainsFunc(modules, func(m kbuild.Module) bool {
		data, err := os.ReadFile(m.Path)
		return err != nil || bytes.Contains(data, []byte(text))
	})
}
