package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/vm"
)

// A driver whose hardware is not there loads, and proves little: its probe is never called. Stand-ins give it some: devices
// that QEMU emulates, which are part of the machine, and the kernel's own modules that simulate some (gpio-sim, netdevsim,
// mac80211_hwsim …), which are loaded before the module under test and belong to the kernel.

// tryDevices asks QEMU for the plan's stand-ins before anything is built for them.
func tryDevices(ctx context.Context, s Spec) error {
	err := vm.TryDevices(ctx, vm.HostArch(), s.Devices, plugsOf(s.Plugs))
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return &UsageError{fmt.Errorf("QEMU makes no machine with the stand-in devices: %w", err)}
}

// lacks is the condition under which a kernel cannot be asked: it has not the modules that the module's stand-ins need.
func (r *run) lacks(tree *kernels.Tree) (condition string, err error) {
	if r.plan.Spec.BuildOnly {
		return "", nil
	}
	var missing []string
	for _, name := range r.kernelModules() {
		_, err := tree.Closure(name)
		if none := (*kernels.NoModuleError)(nil); errors.As(err, &none) {
			missing = append(missing, name)
		} else if err != nil {
			return "", err
		}
	}
	switch {
	case len(missing) == 0:
		return plugsLack(tree, r.plan.Spec.Plugs)
	case slices.Contains(r.plan.Spec.Modules, missing[0]):
		return "this kernel has no " + strings.Join(missing, ", no ") + " (guest.modules)", nil
	}
	return "this kernel has no " + missing[0] + ", which the devices to plug in need (guest.plug)", nil
}

// kernelModules are those of the kernel's own that are loaded before the module.
func (r *run) kernelModules() []string {
	return slices.Concat(r.plan.Spec.Modules, plugModules(r.plan.Spec.Plugs))
}
