package harness

import (
	"context"
	"path/filepath"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// frameMark is in every frame of the guest's init, and in nothing that a kernel says. The accelerator's probe waits for
// it: without a drive that guest can only complain, which takes user space all the same.
const frameMark = `"kind":"`

// probeDir is where the answers of probes are kept.
func (h *Harness) probeDir() string { return filepath.Join(h.store.Dir(), "probe") }

// probeOnce finds out, with the first kernel that is there, what runs guests on this machine.
func (r *run) probeOnce(ctx context.Context) func(kernel, initrd string) (vm.Verdict, error) {
	var done bool
	var failure error
	return func(kernel, initrd string) (vm.Verdict, error) {
		r.probing.Lock()
		defer r.probing.Unlock()
		if done {
			return r.verdict, failure
		}
		var v vm.Verdict
		v, failure = r.probe(ctx, vm.ProbeConfig{Arch: vm.HostArch(), Kernel: kernel, Initrd: initrd, Marker: frameMark,
			CacheDir: r.probeDir(), RequireKVM: r.plan.Spec.RequireKVM})
		if wasInterrupted(ctx, failure) {
			return v, failure
		}
		done = true
		r.settle(v)
		if failure == nil && v.Reason != "" {
			r.event(results.Event{Kind: results.EventNotice, Text: v.Reason})
		}
		return v, failure
	}
}
