package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
