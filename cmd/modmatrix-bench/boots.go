package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
)

// figure is a row that was measured just now.
func figure(what, kernel string, value float64, unit Unit, detail string, args ...any) Row {
	return Row{What: what, Kernel: kernel, Value: value, Unit: unit, Detail: fmt.Sprintf(detail, args...), Load: load()}
}

// boots sets a clone beside a cold boot of the same kernel with the same payload, in turn: what else the machine does
// strikes both alike. The budget is for what both do to get there: payload in, hello, end. What a module costs on top of
// it comes out nearly the same on both sides, and has a row of its own.
func (b *bench) boots(ctx context.Context) (rows []Row, err error) {
	for _, r := range b.rigs {
		made, err := r.ready(ctx)
		if err != nil {
			return rows, fmt.Errorf("freeze %s: %w", r.tree.Target.Release, err)
		}
		row, clones, err := b.pair(ctx, r, arrive, "clone against cold boot: payload, hello, end")
		if err != nil {
			return rows, err
		}
		row = row.atMost(1.0 / 15)
		row.Detail += fmt.Sprintf("; template made in %.2f s", made.Seconds())
		row.Samples["template"] = []float64{made.Seconds()}
		hello := figure("  of it, until the clone's hello", r.tree.Target.Release, median(clones).Seconds(), Seconds, "payload written, restored, first frame")
		hello.Samples = map[string][]float64{"hello": seconds(clones)}
		loaded, _, err := b.pair(ctx, r, pass, "  the same with the driver loaded and unloaded")
		if err != nil {
			return rows, err
		}
		rows = append(rows, row, hello, loaded)
	}
	return rows, nil
}

// pair measures clones and cold boots of r that are to do the same, and gives the time to each clone's hello besides.
func (b *bench) pair(ctx context.Context, r *rig, do task, what string) (row Row, hellos []time.Duration, err error) {
	release := r.tree.Target.Release
	clones, colds, err := inTurn(b.pairs,
		func() (time.Duration, error) {
			clone, err := r.clone(ctx, do)
			hellos = append(hellos, clone.hello)
			return clone.whole, err
		},
		func() (time.Duration, error) {
			cold, err := r.cold(ctx, do)
			return cold.whole, err
		})
	if err != nil {
		return row, nil, fmt.Errorf("start guests of %s: %w", release, err)
	}
	row = figure(what, release, ratio(clones, colds), Ratio, "%.3f s against %.2f s", median(clones).Seconds(), median(colds).Seconds())
	row.Samples = map[string][]float64{"clone": seconds(clones), "cold": seconds(colds)}
	b.say("       %s, %s: %s", release, strings.TrimSpace(what), row.Detail)
	return row, hellos, nil
}

// ready makes the template unless it is there, and tells how long it took when it was made.
func (r *rig) ready(ctx context.Context) (_ time.Duration, err error) {
	if r.template == "" {
		r.made, err = r.freeze(ctx)
	}
	return r.made, err
}

// builds sets Build beside the make that it runs, in the same root, in turn.
func (b *bench) builds(ctx context.Context) (rows []Row, err error) {
	for _, r := range b.rigs {
		ours, bare, err := inTurn(b.pairs,
			func() (time.Duration, error) { return b.build(ctx, r) },
			func() (time.Duration, error) { return b.bareMake(ctx, r, 2) })
		if err != nil {
			return rows, err
		}
		row := figure("module build against bare make", r.tree.Target.Release, ratio(ours, bare), Ratio, "%.2f s against %.2f s",
			median(ours).Seconds(), median(bare).Seconds()).atMost(1.10)
		row.Samples = map[string][]float64{"build": seconds(ours), "make": seconds(bare)}
		rows = append(rows, row)
	}
	return rows, nil
}

// inTurn measures two things that are compared, one after the other, and the other one first the next time: neither always
// finds what the other left in the caches.
func inTurn(pairs int, one, other func() (time.Duration, error)) (ones, others []time.Duration, err error) {
	for i := range 2 * pairs {
		measure, samples := one, &ones
		if i%4 == 1 || i%4 == 2 {
			measure, samples = other, &others
		}
		took, err := measure()
		if err != nil {
			return nil, nil, err
		}
		*samples = append(*samples, took)
	}
	return ones, others, nil
}

// build builds the driver as a run does, and leaves nothing.
func (b *bench) build(ctx context.Context, r *rig) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.temp, "build-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	_, err = kbuild.Build(ctx, kbuild.Request{Tree: r.tree, Source: b.driver, Dir: dir, Jobs: 2, Log: io.Discard})
	return time.Since(began), err
}

// bareMake makes the driver without us.
func (b *bench) bareMake(ctx context.Context, r *rig, jobs int) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.temp, "make-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(b.driver)); err != nil {
		return 0, err
	}
	var log bytes.Buffer
	took, err := kbuild.BareMake(ctx, kbuild.Request{Tree: r.tree, Source: b.driver, Dir: dir, Jobs: jobs, Log: &log})
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	return took, nil
}

// clonesAtOnce is how many clones share a template while their memory is read.
const clonesAtOnce = 4

// memory reads what further clones of one template cost while several of them hold the driver loaded.
func (b *bench) memory(ctx context.Context) (rows []Row, err error) {
	for _, r := range b.rigs {
		if _, err := r.ready(ctx); err != nil {
			return rows, fmt.Errorf("freeze %s: %w", r.tree.Target.Release, err)
		}
		used, err := r.hold(ctx, clonesAtOnce)
		if err != nil {
			return rows, fmt.Errorf("clone %s: %w", r.tree.Target.Release, err)
		}
		var private, share []float64
		for _, u := range used {
			private, share = append(private, inMiB(u.private)), append(share, inMiB(u.share))
		}
		row := figure("private memory of a further clone", r.tree.Target.Release, median(private), MiB,
			"the driver loaded; %d at once use %.0f MiB (PSS)", len(used), sum(share)).atMost(64)
		row.Samples = map[string][]float64{"private": private, "pss": share}
		rows = append(rows, row)
	}
	return rows, nil
}

// hold starts n clones, each with the driver loaded, and reads the memory of all of them while they idle.
func (r *rig) hold(ctx context.Context, n int) (used []usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	for range n {
		end, err := r.holdOne(ctx)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	select {
	case <-time.After(time.Second): // what they still do of themselves
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	pids := guests()
	if len(pids) != n {
		return nil, fmt.Errorf("%d guests run, not %d", len(pids), n)
	}
	for _, pid := range pids {
		u, err := memoryOf(pid)
		if err != nil {
			return nil, err
		}
		used = append(used, u)
	}
	return used, nil
}

// holdOne starts a clone that loads the driver and then waits at a shell that nobody types into. end ends it.
func (r *rig) holdOne(ctx context.Context) (end func(), err error) {
	payload := r.payload(hold)
	file, err := os.CreateTemp(r.dir, "held-")
	if err != nil {
		return nil, err
	}
	file.Close()
	if err := initramfs.WriteDrive(file.Name(), payload); err != nil {
		return nil, err
	}
	silence, typist := io.Pipe()
	m, frames := r.machine, newFrames(payload.Plan.Nonce)
	m.Drive, m.Report, m.Terminal = file.Name(), frames.in, struct {
		io.Reader
		io.Writer
	}{silence, io.Discard}
	p, err := m.Restore(ctx, r.template)
	if err != nil {
		frames.end()
		return nil, err
	}
	end = func() {
		p.Kill()
		typist.Close()
		p.Wait()
		frames.end()
		os.Remove(file.Name())
	}
	loaded := func(f wire.Frame) bool { return f.Kind == wire.KindStage && f.Stage == wire.StageLoad && f.Done }
	if err := frames.await(p, loaded); err != nil {
		end()
		return nil, err
	}
	return end, nil
}
