package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// The kernel's own noise is not the module's. What a kernel complains of with no module loaded, in the same time, is
// found by fingerprint and not held against the module. It is asked for only where there is something to excuse: a run
// in which nothing is wrong never pays for it.

// maxIdle bounds how long a kernel is listened to alone.
const maxIdle = 64 * time.Second

// markNoise marks the splats of e that the kernel prints without the module too.
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
	key := store.Digest(judge.Version, c.tree.Digest, filepath.Base(t.dir), t.machine.Accel.String(), d.String(), strings.Join(c.run.kernelModules(), " "), strings.Join(c.spec().Devices, " "))
	dir, _, err := c.run.h.store.Fill(ctx, "noise", key, func(dir string) error {
		heard, err := c.run.h.alone(c, ctx, t, d)
		if err != nil {
			return err
		}
		data, err := json.Marshal(heard)
		if err != nil {
			return err
		}
		if err := title(dir, "noise of "+Label(c.tree.Target)); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, noiseFile), data, 0o644)
	})
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, noiseFile))
	if err != nil {
		return nil, fmt.Errorf("read noise: %w", err)
	}
	var heard []string
	if err := json.Unmarshal(data, &heard); err != nil {
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
	heard := []string{}
	for _, s := range console.Scan(out.log) {
		heard = append(heard, s.Fingerprint)
	}
	slices.Sort(heard)
	return slices.Compact(heard), nil
}
