package harness

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/modmatrix/modmatrix/vm"
)

// frameMark is in every frame of the guest's init, and in nothing that a kernel says. The accelerator's probe waits for
// it: without a drive that guest can only complain, which takes user space all the same.
const frameMark = `"kind":"`

// probeDir is where the answers of probes are kept.
func (h *Harness) probeDir() string { return filepath.Join(h.store.Dir(), "probe") }

// probeOnce finds out, with the first kernel that is there, what runs guests on this machine. settled is called once, with
// the answer.
func (p *pool) probeOnce(ctx context.Context, settled func(vm.Verdict)) func(kernel, initrd string) (vm.Verdict, error) {
	var mu sync.Mutex
	var done bool
	var verdict vm.Verdict
	var failure error
	return func(kernel, initrd string) (vm.Verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return verdict, failure
		}
		verdict, failure = p.h.probe(ctx, vm.ProbeConfig{Arch: vm.HostArch(), Kernel: kernel, Initrd: initrd, Marker: frameMark,
			CacheDir: p.h.probeDir(), RequireKVM: p.spec.RequireKVM})
		if wasInterrupted(ctx, failure) {
			return verdict, failure
		}
		done = true
		settled(verdict)
		if failure == nil && verdict.Reason != "" {
			p.h.Notice(verdict.Reason)
		}
		return verdict, failure
	}
}
