package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// What a kernel complains of in the same time with no module loaded is found by fingerprint and not held against the module. It
// is asked for only where there is something to excuse: a run in which nothing is wrong never pays for it.

// maxIdle bounds how long a kernel is listened to alone.
const maxIdle = 64 * time.Second

func (c *cell) markNoise(ctx context.Context, t *template, e *judge.Evidence) {
	if !slices.ContainsFunc(e.Splats, mayBeNoise) {
		return
	}
	noise, err := c.noise(ctx, t, idle(e.Guest))
	if err != nil {
		e.Notes = append(e.Notes, "what the kernel says without the module is not known: "+err.Error())
		return
	}
	for i := range e.Splats {
		s := &e.Splats[i]
		s.Noise = mayBeNoise(*s) && slices.Contains(noise, s.Fingerprint)
	}
}

// mayBeNoise leaves out what no kernel says by itself: what names the module.
func mayBeNoise(s judge.Splat) bool {
	return s.Stage != results.StageBoot && s.Severity.Fault() && !s.Expected && s.Owner != results.OwnerModule && s.Place == ""
}

// idle is how long the module's guest lived, rounded up to a power of two seconds, so that few lengths are asked for.
func idle(g *judge.Guest) time.Duration {
	d := time.Second
	for d < maxIdle && d < time.Duration(g.LastAt)*time.Millisecond {
		d *= 2
	}
	return d
}

// noise returns the fingerprints of what the kernel alone says while it idles for d. They are kept beside the template.
func (c *cell) noise(ctx context.Context, t *template, d time.Duration) ([]string, error) {
	if isHere(c.tree.Target) { // what else goes on there is not always the same
		return c.run.h.alone(c, ctx, t, d)
	}
	key := store.Digest(judge.Version, c.tree.Digest, t.id, t.machine.Accel.String(), d.String(), strings.Join(c.run.kernelModules(c.tree.Target), " "), strings.Join(c.spec().Devices, " "), strings.Join(c.run.own.pci(), " "), strings.Join(c.run.own.kinds(), " "))
	dir, _, err := c.run.h.store.Fill(ctx, "noise", key, func(dir string) error {
		heard, err := c.run.h.alone(c, ctx, t, d)
		if err != nil {
			return err
		}
		return errors.Join(writeJSON(dir, noiseFile, heard), store.SetTitle(dir, "noise of "+Label(c.tree.Target)))
	})
	if err != nil {
		return nil, err
	}
	var heard []string
	if err := store.ReadJSON(filepath.Join(dir, noiseFile), &heard); err != nil {
		return nil, fmt.Errorf("read noise: %w", err)
	}
	return heard, nil
}

const noiseFile = "noise.json"

// listenAlone runs a guest without the module that idles for d. Only one that came to its end in order counts.
func (c *cell) listenAlone(ctx context.Context, t *template, d time.Duration) ([]string, error) {
	out, err := c.queued(ctx, t, task{bare: true, settle: d})
	switch {
	case err != nil:
		return nil, err
	case out.rounds == nil:
		return nil, ctx.Err()
	case !out.rounds.Current().End:
		return nil, fmt.Errorf("the kernel alone did not idle for %v: %s", d, out.end.Reason)
	}
	heard := listOf(console.Scan(out.log), func(s console.Splat) string { return s.Fingerprint })
	slices.Sort(heard)
	return slices.Compact(heard), nil
}

// slabTrace begins a guest's report of a slab cache that is left behind.
const slabTrace = "/sys/kernel/slab: "

// dropForeignResidue leaves out what other modules of the kernel may have left: scsi_mod makes its sense cache for the first host
// and keeps it (drivers/scsi/scsi_lib.c, scsi_init_sense_cache). A slab cache is the module's if its name is in the module's file.
func (c *cell) dropForeignResidue(e *judge.Evidence, p *part) {
	others := slices.Concat(c.foreign(), c.soft(), p.requested.modules, c.run.kernelModules(c.tree.Target))
	if len(e.Guest.Residue) == 0 || len(others) == 0 {
		return
	}
	e.Guest.Residue = slices.DeleteFunc(slices.Clone(e.Guest.Residue), func(thing string) bool {
		name, slab := strings.CutPrefix(thing, slabTrace)
		if !slab || names(c.built.all(), name) {
			return false
		}
		e.Notes = append(e.Notes, "left by what the module depends on, or by what it called: "+thing)
		return true
	})
}

// names reports whether a text stands in one of the modules' files. One that cannot be read is held to have it.
func names(modules []kbuild.Module, text string) bool {
	return slices.ContainsFunc(modules, func(m kbuild.Module) bool {
		data, err := os.ReadFile(m.Path)
		return err != nil || bytes.Contains(data, []byte(text))
	})
}
