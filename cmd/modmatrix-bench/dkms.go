package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
)

// dkmsPackages are of Debian: small, of makefiles of three kinds, and for any kernel, the small ones of clouds too.
var dkmsPackages = []string{"vpoll-dkms", "acpi-call-dkms", "mstflint-dkms"}

// agreement is what is read of what modmatrix-agreement writes.
type agreement struct {
	Cells []struct {
		Package, Kernel, Left string
		Pairs                 []struct{ DKMS, Modmatrix float64 } // seconds
	}
}

// dkms sets our build of real packages beside `dkms build` in the same root, on one kernel. modmatrix-agreement knows how to have
// dkms build, and times both in turn.
func (b *bench) dkms(ctx context.Context) ([]Row, error) {
	const what = "DKMS package against dkms build"
	got, err := b.agreement(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil { // packages that cannot be had are no fault of what is measured
		return []Row{{What: what, Kernel: b.rigs[0].tree.Target.Release, Budget: dkmsBudget, Missing: err.Error()}}, nil
	}
	row, err := got.row(what)
	return []Row{row}, err
}

const dkmsBudget = "≤ 1.00"

// row is the median over the packages of the ratios of medians.
func (a agreement) row(what string) (Row, error) {
	var ratios []float64
	var details []string
	samples := map[string][]float64{}
	for _, c := range a.Cells {
		name, _, _ := strings.Cut(c.Package, " ")
		if len(c.Pairs) == 0 {
			return Row{What: what, Kernel: c.Kernel, Budget: dkmsBudget, Missing: name + ": " + cmp.Or(c.Left, "does not build on both sides")}, nil
		}
		var ours, theirs []float64
		for _, p := range c.Pairs {
			ours, theirs = append(ours, p.Modmatrix), append(theirs, p.DKMS)
		}
		samples[name+" modmatrix"], samples[name+" dkms"] = ours, theirs
		ratios = append(ratios, median(ours)/median(theirs))
		details = append(details, fmt.Sprintf("%s %.1f s against %.1f s", strings.TrimSuffix(name, "-dkms"), median(ours), median(theirs)))
	}
	if len(ratios) == 0 {
		return Row{}, errors.New("modmatrix-agreement compared nothing")
	}
	row := figure(what, a.Cells[0].Kernel, median(ratios), Ratio, "%s", strings.Join(details, ", ")).atMost(1)
	row.Samples = samples
	return row, nil
}

// agreement has the two timed, on the first of the kernels.
func (b *bench) agreement(ctx context.Context) (a agreement, err error) {
	source, err := initramfs.FindSource()
	if err != nil {
		return a, err
	}
	tool, out := filepath.Join(b.temp, "modmatrix-agreement"), filepath.Join(b.temp, "agreement.json")
	if err := said(ctx, source, "go", "build", "-o", tool, "./cmd/modmatrix-agreement"); err != nil {
		return a, err
	}
	args := append([]string{"--kernel", b.selectors[0], "--pairs", strconv.Itoa(b.pairs), "--output", out}, dkmsPackages...)
	if err := said(ctx, b.temp, tool, args...); err != nil {
		return a, err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(text, &a)
}

// said runs a program, which is asked to end with ctx. The error is the last line that it said.
func said(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it cleans up
	cmd.WaitDelay = time.Minute
	text, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("%s: %s", filepath.Base(name), cmp.Or(lines[len(lines)-1], err.Error()))
}
