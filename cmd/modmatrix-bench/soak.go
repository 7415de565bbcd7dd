package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
)

// soak runs the same two cells over and over, each in a clone of the same template: the example driver, which passes, and a
// module whose init dereferences NULL. Any other verdict, even once, is a deviation.
type soak struct {
	temp      string
	selector  string
	focus     string // regular expression of the specs to run; empty: all
	row       int
	atOnce    int
	memoryMiB int
	say       func(format string, args ...any)

	good, bad *subject
	notice    func(results.Event)
}

// deviation is what a soak looks for.
type deviation struct{ text string }

func (d deviation) Error() string { return d.text }

func deviates(format string, args ...any) error { return deviation{fmt.Sprintf(format, args...)} }

// subject is one of the two cells, and its verdict the first time.
type subject struct {
	name, module string
	mu           sync.Mutex
	first        results.Record
	times        int
}

// everyBad is after how many guests that pass in the row one that fails is run.
const everyBad = 5

func (s *soak) run(ctx context.Context, w io.Writer) error {
	if s.row < 1 || s.atOnce < 1 || s.memoryMiB < 1 {
		return errors.New("a soak needs at least one guest in the row, one at once, and memory")
	}
	source, err := initramfs.FindSource()
	if err != nil {
		return err
	}
	s.notice = notices(s.say)
	s.good = &subject{name: "good", module: exampleDriver(source)}
	s.bad = &subject{name: "bad", module: filepath.Join(source, "suites", "zoo", "null_init")}
	began := time.Now()
	if err := errors.Join(s.once(ctx, s.good), s.once(ctx, s.bad)); err != nil {
		return err
	}
	if s.good.first.Status != results.Pass || s.bad.first.Status != results.Fail || s.bad.first.Code != results.CodeOops {
		return fmt.Errorf("the cells are not what they should be: %s and %s", verdict(s.good.first), verdict(s.bad.first))
	}
	before := settle()
	meter := startMeter(ctx)
	err = s.inRow(ctx)
	single := meter.stop()
	meter = startMeter(ctx)
	err = errors.Join(err, s.together(ctx, s.good), s.together(ctx, s.bad))
	many := meter.stop()
	fmt.Fprintf(w, "%s: %d guests that pass, %d that fail (%s), %s\n", s.selector, s.good.times, s.bad.times, s.bad.first.Reason, time.Since(began).Round(time.Second))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if many.bytes > int64(s.memoryMiB)<<20 {
		err = errors.Join(err, deviates("%d guests used %.0f MiB, more than %d", many.guests, inMiB(many.bytes), s.memoryMiB))
	}
	err = errors.Join(err, s.leftovers(before))
	fmt.Fprintf(w, "memory of all guests at once, as their proportional share: one in a row at most %.0f MiB, %d at once at most %.0f MiB, of %d allowed\n",
		inMiB(single.bytes), many.guests, inMiB(many.bytes), s.memoryMiB)
	if err == nil {
		fmt.Fprintln(w, "no deviation, and nothing left behind")
	}
	return err
}

// once runs one cell in a clone and compares its verdict with the first.
func (s *soak) once(ctx context.Context, c *subject) error {
	out, err := os.MkdirTemp(s.temp, "out-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	h, err := harness.New(harness.Options{Tool: "modmatrix-bench soak", Events: s.notice})
	if err != nil {
		return err
	}
	_, res, err := runMatrix(ctx, h, config.Flags{Kernels: []string{s.selector},
		Spec: harness.Spec{Module: c.module, Suites: []string{harness.Lifecycle}, Out: out, Jobs: 1, NoCache: true, Focus: s.focus}})
	if err != nil {
		return err
	}
	if len(res.Records) != 1 {
		return fmt.Errorf("%d records, not one: name one kernel", len(res.Records))
	}
	return c.compare(res.Records[0])
}

// verdict is everything in a record that must be the same each time.
func verdict(rec results.Record) string {
	text := fmt.Sprintf("%s at %s, %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	for _, s := range rec.Specs {
		text += fmt.Sprintf("; %q %s", s.Name, s.Status)
	}
	for _, s := range rec.Splats {
		text += fmt.Sprintf("; %s %s", s.Kind, s.Fingerprint)
	}
	return text
}

func (c *subject) compare(rec results.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times++; c.times == 1 {
		c.first = rec
	}
	is, was := verdict(rec), verdict(c.first)
	switch {
	case is != was:
		return deviates("%s, time %d: %s, and the first time %s", c.name, c.times, is, was)
	case rec.Timings.Restore == 0 || rec.Cached:
		return deviates("%s, time %d: not from a clone", c.name, c.times)
	}
	return nil
}

func (s *soak) inRow(ctx context.Context) error {
	var errs []error
	began := time.Now()
	for i := range s.row {
		errs = append(errs, s.once(ctx, s.good))
		if (i+1)%everyBad == 0 {
			errs = append(errs, s.once(ctx, s.bad))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n := i + 1; n%10 == 0 || n == s.row {
			s.say("soak: %d of %d in a row, %.2f s each, load %.1f, %d deviations", n, s.row, time.Since(began).Seconds()/float64(n+n/everyBad), measure.Load(), failed(errs))
		}
	}
	return errors.Join(errs...)
}

func (s *soak) together(ctx context.Context, c *subject) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	errs := make([]error, s.atOnce)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.once(ctx, c) })
	}
	wg.Wait()
	s.say("soak: %d at once, %s: %.1f s, load %.1f, %d deviations", s.atOnce, c.name, time.Since(began).Seconds(), measure.Load(), failed(errs))
	return errors.Join(errs...)
}

func failed(errs []error) (n int) {
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}
