package harness

import (
	"context"
	"sync"

	"github.com/modmatrix/modmatrix/vm"
)

// family is what the guests of one architecture share in a run.
type family struct {
	base  func() (string, error)                          // path of their image; made once
	accel func(kernel, initrd string) (vm.Verdict, error) // what runs them on this machine; found out once
}

// addFamilies adds a family for each architecture that p has an emulator for. settled is called when it is known what runs the guests of the
// leading one.
func (p *pool) addFamilies(ctx context.Context, settled func(vm.Verdict)) {
	archs := p.qemus.present()
	for _, machine := range archs {
		hear := func(vm.Verdict) {}
		if machine == leading(archs) {
			hear = settled
		}
		p.families[machine] = &family{
			base:  sync.OnceValues(func() (string, error) { return maker{p.h, p.spec, machine, p.work}.image(ctx) }),
			accel: p.probeOnce(ctx, machine, hear),
		}
	}
}

// leading is that of archs which a run's head speaks of: this machine's own, else the first.
func leading(archs []string) string {
	for _, machine := range archs {
		if machine == vm.HostArch() {
			return machine
		}
	}
	return archs[0]
}
