package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/vm"
)

// emulator is QEMU for the guests of one architecture.
type emulator struct {
	version string
	err     error  // there is none here; it names the package to install
	unfit   string // it makes no machine with the stand-ins that are asked for; empty: it does
}

// emulators are those that a run needs, by architecture in uname -m's word; empty where it starts no guest.
type emulators map[string]emulator

// lookForEmulators asks QEMU of each architecture for its version. The error is that of the first, where there is none of any.
func lookForEmulators(ctx context.Context, archs []string) (emulators, error) {
	all := emulators{}
	var first error
	none := true
	for _, machine := range archs {
		version, err := vm.QEMUVersion(ctx, machine)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		all[machine] = emulator{version: version, err: err}
		none = none && err != nil
		if first == nil {
			first = err
		}
	}
	if none && first != nil {
		return nil, first
	}
	return all, nil
}

// String lists the versions, the same once.
func (all emulators) String() string {
	var versions []string
	for _, machine := range all.archs() {
		if v := all[machine].version; v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return strings.Join(versions, ", ")
}

// archs are the architectures in the order of the matrix.
func (all emulators) archs() (names []string) {
	for machine := range all {
		names = append(names, machine)
	}
	slices.SortFunc(names, arch.Order)
	return names
}

// present are the architectures that there is QEMU for.
func (all emulators) present() []string {
	return slices.DeleteFunc(all.archs(), func(machine string) bool { return all[machine].err != nil })
}

// noEmulator are the notices on the architectures whose kernels cannot be run on this machine: they are built.
func (p *Plan) noEmulator(ctx context.Context) (notices []string) {
	if p.Spec.BuildOnly {
		return nil
	}
	for _, machine := range p.guestArchs() {
		if _, err := vm.QEMUVersion(ctx, machine); errors.Is(err, vm.ErrNoQEMU) {
			kernels := 0
			for _, t := range p.Targets {
				if t.Arch == machine {
					kernels++
				}
			}
			notices = append(notices, fmt.Sprintf("%s: the module is built for %d of its kernels, and cannot be run on them: %v", debianWord(machine), kernels, err))
		}
	}
	return notices
}

// guestArchs are the architectures of the kernels that get guests.
func (p *Plan) guestArchs() (names []string) {
	for _, t := range p.Targets {
		if !isHere(t) && !slices.Contains(names, t.Arch) {
			names = append(names, t.Arch)
		}
	}
	return names
}

// debianWord is Debian's for what uname -m calls machine.
func debianWord(machine string) string {
	if a, ok := arch.OfMachine(machine); ok {
		return a.Debian
	}
	return machine
}
