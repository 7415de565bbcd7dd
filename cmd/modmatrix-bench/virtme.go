package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// virtme sets a clone that loads and unloads the driver beside virtme-ng doing the same on the same kernel. Not every
// kernel can: virtme-ng needs 9p or virtiofs, which small flavours lack. Its own last line is in the row then.
func (b *bench) virtme(ctx context.Context) ([]Row, error) {
	const what, budget = "cell against virtme-ng", "≤ 1/50"
	vng, err := exec.LookPath("vng")
	if err != nil {
		return []Row{{What: what, Budget: budget, Missing: "no vng on PATH"}}, nil
	}
	return eachKernel(func(_ *bench, ctx context.Context, r *rig) ([]Row, error) {
		if err := r.ready(ctx); err != nil {
			return nil, err
		}
		ours, err := r.clone(ctx, pass)
		if err != nil {
			return nil, err
		}
		theirs, err := r.virtme(ctx, vng)
		if err != nil {
			return []Row{{What: what, Kernel: r.release(), Budget: budget, Missing: err.Error()}}, nil
		}
		row := figure(what, r.release(), ours.whole/theirs, Ratio, "%.2f s against %.1f s, once each", ours.whole, theirs)
		if r.machine.Accel.Name != "kvm" { // the budget is for machines without
			row = row.atMost(1.0 / 50)
		}
		return []Row{row}, nil
	})(b, ctx)
}

// virtme loads and unloads the driver in a guest of virtme-ng, with the accelerator that our guests have.
func (r *rig) virtme(ctx context.Context, vng string) (seconds float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	const seen = "/mnt" // in the guest, whose /tmp is its own
	m := r.modules[0]
	args := []string{"--run", r.tree.Image, "--rodir=" + seen + "=" + filepath.Dir(m.Path),
		"--exec", fmt.Sprintf("insmod %s && rmmod %s", filepath.Join(seen, filepath.Base(m.Path)), m.Name)}
	if r.machine.Accel.Name != "kvm" {
		args = append(args, "--disable-kvm")
	}
	took, err := program(ctx, r.dir, vng, args...)
	if ctx.Err() != nil {
		err = fmt.Errorf("vng did not end within %.0f s", took)
	}
	return took, err
}
