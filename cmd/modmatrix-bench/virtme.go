package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// virtme sets a clone that loads and unloads the driver beside virtme-ng doing the same on the same kernel. Not every
// kernel can: virtme-ng needs 9p or virtiofs of it, which small flavours lack. What it says then is in the row.
func (b *bench) virtme(ctx context.Context) (rows []Row, err error) {
	const what, budget = "cell against virtme-ng", "≤ 1/50"
	vng, err := exec.LookPath("vng")
	if err != nil {
		return []Row{{What: what, Budget: budget, Missing: "no vng on PATH"}}, nil
	}
	for _, r := range b.rigs {
		if _, err := r.ready(ctx); err != nil {
			return rows, err
		}
		ours, err := r.clone(ctx, pass)
		if err != nil {
			return rows, fmt.Errorf("clone %s: %w", r.tree.Target.Release, err)
		}
		theirs, err := r.virtme(ctx, vng)
		if err != nil {
			rows = append(rows, Row{What: what, Kernel: r.tree.Target.Release, Budget: budget, Missing: err.Error()})
			continue
		}
		row := figure(what, r.tree.Target.Release, ours.whole.Seconds()/theirs.Seconds(), Ratio, "%.2f s against %.1f s, once each",
			ours.whole.Seconds(), theirs.Seconds())
		if r.machine.Accel.Name != "kvm" { // the budget is for machines without
			row = row.atMost(1.0 / 50)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// virtme loads and unloads the driver in a guest of virtme-ng, with the accelerator that our guests have.
func (r *rig) virtme(ctx context.Context, vng string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	const seen = "/mnt" // in the guest, whose /tmp is its own
	m := r.modules[0]
	args := []string{"--run", r.tree.Image, "--rodir=" + seen + "=" + filepath.Dir(m.Path),
		"--exec", fmt.Sprintf("insmod %s && rmmod %s", filepath.Join(seen, filepath.Base(m.Path)), m.Name)}
	if r.machine.Accel.Name != "kvm" {
		args = append(args, "--disable-kvm")
	}
	cmd := exec.CommandContext(ctx, vng, args...)
	cmd.Dir, cmd.WaitDelay = r.dir, time.Minute
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if ctx.Err() != nil {
		err = fmt.Errorf("not through after %s", took.Round(time.Second))
	}
	if err != nil {
		return 0, fmt.Errorf("vng: %w: %s", err, lastLine(out))
	}
	return took, nil
}

// lastLine of what a program said; that is where it gave up.
func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return strings.TrimSpace(string(lines[len(lines)-1]))
}
