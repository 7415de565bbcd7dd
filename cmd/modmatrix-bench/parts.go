package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/agreement"
	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// boot sets a clone beside a cold boot of the same kernel with the same payload, in turn. The budget is for payload in, hello,
// end. The module's own time is nearly the same on both sides, and has a row of its own.
func (b *bench) boot(ctx context.Context, r *rig) ([]Row, error) {
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	row, hellos, err := b.pair(ctx, r, arrive, "clone against cold boot: payload, hello, end")
	if err != nil {
		return nil, err
	}
	row = row.atMost(1.0 / 15)
	row.Detail += fmt.Sprintf("; template made in %.2f s", r.made)
	row.Samples["template"] = []float64{r.made}
	hello := figure("  of it, until the clone's hello", r.release(), measure.Median(hellos), Seconds, "payload written, restored, first frame")
	hello.Samples = map[string][]float64{"hello": hellos}
	loaded, _, err := b.pair(ctx, r, pass, "  the same with the driver loaded and unloaded")
	if err != nil {
		return nil, err
	}
	return []Row{row, hello, loaded}, nil
}

// pair measures clones and cold boots of r with the same task, and returns the time to each clone's hello as well.
func (b *bench) pair(ctx context.Context, r *rig, do task, what string) (row Row, hellos []float64, err error) {
	clones, colds, err := measure.InTurn(b.pairs,
		func() (float64, error) {
			clone, err := r.clone(ctx, do)
			hellos = append(hellos, clone.hello)
			return clone.whole, err
		},
		func() (float64, error) {
			cold, err := r.cold(ctx, do)
			return cold.whole, err
		})
	if err != nil {
		return row, nil, fmt.Errorf("start guests: %w", err)
	}
	row = compared(what, r.release(), "clone", clones, "cold", colds)
	b.say("       %s, %s: %s", r.release(), strings.TrimSpace(what), row.Detail)
	return row, hellos, nil
}

// build sets our build beside the make that it runs, in the same root, in turn.
func (b *bench) build(ctx context.Context, r *rig) ([]Row, error) {
	ours, bare, err := measure.InTurn(b.pairs,
		func() (float64, error) { return b.ourMake(ctx, r) },
		func() (float64, error) { return b.bareMake(ctx, r, 2) })
	if err != nil {
		return nil, err
	}
	return []Row{compared("module build against bare make", r.release(), "build", ours, "make", bare).atMost(1.10)}, nil
}

// ourMake builds the driver as a run does, and leaves nothing.
func (b *bench) ourMake(ctx context.Context, r *rig) (float64, error) {
	dir, err := os.MkdirTemp(b.temp, "build-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	_, err = kbuild.Build(ctx, kbuild.Request{Tree: r.tree, Source: kbuild.Source{Top: b.driver}, Dir: dir, Jobs: 2, Log: io.Discard})
	return time.Since(began).Seconds(), err
}

func (b *bench) bareMake(ctx context.Context, r *rig, jobs int) (float64, error) {
	dir, err := os.MkdirTemp(b.temp, "make-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(b.driver)); err != nil {
		return 0, err
	}
	var log bytes.Buffer
	took, err := kbuild.BareMake(ctx, kbuild.Request{Tree: r.tree, Source: kbuild.Source{Top: b.driver}, Dir: dir, Jobs: jobs, Log: &log})
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	return took.Seconds(), nil
}

// clonesAtOnce is how many clones share a template while their memory is read.
const clonesAtOnce = 4

// memory reads what further clones of one template cost while several of them hold the driver loaded.
func (b *bench) memory(ctx context.Context, r *rig) ([]Row, error) {
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	used, err := r.hold(ctx, clonesAtOnce)
	if err != nil {
		return nil, err
	}
	var private, share []float64
	for _, u := range used {
		private, share = append(private, inMiB(u.private)), append(share, inMiB(u.share))
	}
	row := figure("private memory of a further clone", r.release(), measure.Median(private), MiB,
		"the driver loaded; %d at once use %.0f MiB (PSS)", len(used), measure.Sum(share)).atMost(64)
	row.Samples = map[string][]float64{"private": private, "pss": share}
	return []Row{row}, nil
}

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
