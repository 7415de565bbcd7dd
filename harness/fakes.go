package harness

import (
	"context"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/vm"
)

// Fakes replace what touches the world beyond QEMU, in tests of those who use a Harness; nil is the real thing.
type Fakes struct {
	Sources map[string]Source
	Build   func(context.Context, kbuild.Request) (*kbuild.Artifact, error)
	Compile func(ctx context.Context, dir, out string) error // of suites
	Base    func(context.Context, initramfs.Options) error
	Digest  func(ctx context.Context, dir string) (string, error) // of the source of a suite, or of the base
	Probe   func(context.Context, vm.ProbeConfig) (vm.Verdict, error)
}

func (f Fakes) into(h *Harness) {
	if f.Sources != nil {
		h.sources = func(Spec) map[string]Source { return f.Sources }
	}
	if f.Build != nil {
		h.make = f.Build
	}
	if f.Compile != nil {
		h.compile = f.Compile
	}
	if f.Digest != nil {
		h.suiteDigest, h.baseDigest = f.Digest, f.Digest
	}
	if f.Base != nil {
		h.base = f.Base
	}
	if f.Probe != nil {
		h.probe = f.Probe
	}
}
