package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/agreement"
	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
)

// dkmsPackages of Debian are small, have three kinds of makefile, and build for any kernel, the small cloud flavours included.
var dkmsPackages = []string{"vpoll-dkms", "acpi-call-dkms", "mstflint-dkms"}

// dkms sets our build of real packages beside `dkms build` in the same root, on the first of the kernels, in turn.
func (b *bench) dkms(ctx context.Context) ([]Row, error) {
	const what, budget = "DKMS package against dkms build", "≤ 1.00"
	r, err := agreement.Compare(ctx, io.Discard, agreement.Options{Packages: dkmsPackages, Kernels: b.selectors[:1], Suite: "trixie", DKMS: "trixie",
		Jobs: 2, Pairs: b.pairs, Timeout: 15 * time.Minute, Say: b.say})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil { // a package that cannot be obtained says nothing about the speed
		return []Row{{What: what, Kernel: b.rigs[0].release(), Budget: budget, Missing: err.Error()}}, nil
	}
	row, err := dkmsRow(what, budget, r.Cells)
	return []Row{row}, err
}

// dkmsRow is the median over the packages of the ratios of medians.
func dkmsRow(what, budget string, cells []agreement.Cell) (Row, error) {
	if len(cells) == 0 {
		return Row{}, errors.New("nothing was compared with dkms")
	}
	var ratios []float64
	var details []string
	samples := map[string][]float64{}
	for _, c := range cells {
		name, _, _ := strings.Cut(c.Package, " ")
		if len(c.Pairs) == 0 {
			return Row{What: what, Kernel: c.Kernel, Budget: budget, Missing: name + ": " + cmp.Or(c.Left, "does not build on both sides")}, nil
		}
		theirs, ours := agreement.Seconds(c.Pairs)
		samples[name+" modmatrix"], samples[name+" dkms"] = ours, theirs
		ratios = append(ratios, measure.Ratio(ours, theirs))
		details = append(details, fmt.Sprintf("%s %.1f s against %.1f s", strings.TrimSuffix(name, "-dkms"), measure.Median(ours), measure.Median(theirs)))
	}
	row := figure(what, cells[0].Kernel, measure.Median(ratios), Ratio, "%s", strings.Join(details, ", ")).atMost(1)
	row.Samples = samples
	return row, nil
}

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
