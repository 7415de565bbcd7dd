package harness

import (
	"context"
	"path/filepath"

	"github.com/modmatrix/modmatrix/vm"
)

// probeOnce finds out, with the first guest that is ready to boot, what runs guests on this machine. The marker is the
// guest's nonce: only its init knows it.
func (r *run) probeOnce(ctx context.Context) func(kernel, initrd, marker string) (vm.Verdict, error) {
	var done bool
	var failure error
	return func(kernel, initrd, marker string) (vm.Verdict, error) {
		r.probing.Lock()
		defer r.probing.Unlock()
		if done {
			return r.verdict, failure
		}
		var v vm.Verdict
		v, failure = r.probe(ctx, vm.ProbeConfig{Arch: vm.HostArch(), Kernel: kernel, Initrd: initrd, Marker: marker,
			CacheDir: filepath.Join(r.store.Dir(), "probe"), RequireKVM: r.plan.Spec.RequireKVM})
		if wasInterrupted(ctx, failure) {
			return v, failure
		}
		done = true
		r.mu.Lock()
		r.verdict = v
		r.mu.Unlock()
		if failure == nil && v.Reason != "" {
			r.event(Event{Kind: EventNotice, Text: v.Reason})
		}
		return v, failure
	}
}
