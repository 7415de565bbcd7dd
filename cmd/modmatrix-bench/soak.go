package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
)

// soak runs the same two cells over and over, each in a clone of the same template: one that passes, and one in which the
// driver's init dereferences NULL. Whatever comes out otherwise even once is a deviation.
type soak struct {
	temp      string
	selector  string
	focus     string // regular expression of the specs to run; empty: all
	row       int
	atOnce    int
	memoryMiB int
	say       func(format string, args ...any)

	good, bad *sort
	said      sync.Map // notices that were passed on
}

// deviation is what a soak looks for.
type deviation struct{ text string }

func (d deviation) Error() string { return d.text }

// sort is one of the two cells, and what it came to the first time.
type sort struct {
	name, module string
	mu           sync.Mutex
	first        *verdict
	times        int
}

// verdict is all of a record that must be the same each time.
type verdict struct {
	Status results.Status
	Stage  results.Stage
	Code   results.Code
	Reason string
	Specs  []string // with their status
	Splats []string // fingerprints
}

func verdictOf(rec results.Record) verdict {
	v := verdict{Status: rec.Status, Stage: rec.Stage, Code: rec.Code, Reason: rec.Reason}
	for _, s := range rec.Specs {
		v.Specs = append(v.Specs, s.Name+": "+string(s.Status))
	}
	for _, s := range rec.Splats {
		v.Splats = append(v.Splats, s.Kind+" "+s.Fingerprint)
	}
	return v
}

// everyBad is how many guests that pass there are in the row for one that fails.
const everyBad = 5

func (s *soak) run(ctx context.Context, w io.Writer) error {
	if s.row < 1 || s.atOnce < 1 || s.memoryMiB < 1 {
		return errors.New("a soak needs at least one guest in the row, one at once, and memory")
	}
	if err := s.modules(); err != nil {
		return err
	}
	began := time.Now()
	if err := errors.Join(s.once(ctx, s.good), s.once(ctx, s.bad)); err != nil {
		return err // what is made once, is there now
	}
	if s.good.first.Status != results.Pass || s.bad.first.Status != results.Fail || s.bad.first.Code != results.CodeOops {
		return fmt.Errorf("the cells are not what they should be: %+v and %+v", *s.good.first, *s.bad.first)
	}
	before := settle()
	meter := startMeter(ctx)
	err := s.inRow(ctx)
	single := meter.stop()
	meter = startMeter(ctx)
	err = errors.Join(err, s.together(ctx, s.good), s.together(ctx, s.bad))
	many := meter.stop()
	fmt.Fprintf(w, "%s: %d guests that pass, %d that fail (%s), %s\n", s.selector, s.good.times, s.bad.times, s.bad.first.Reason, time.Since(began).Round(time.Second))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if many.peak > int64(s.memoryMiB)<<20 {
		err = errors.Join(err, deviation{fmt.Sprintf("%d guests used %.0f MiB, more than %d", many.guests, inMiB(many.peak), s.memoryMiB)})
	}
	err = errors.Join(err, s.leftovers(before))
	fmt.Fprintf(w, "memory of all guests at once, as their proportional share: one in a row at most %.0f MiB, %d at once at most %.0f MiB, of %d allowed\n",
		inMiB(single.peak), many.guests, inMiB(many.peak), s.memoryMiB)
	if err == nil {
		fmt.Fprintln(w, "no deviation, and nothing left behind")
	}
	return err
}

// modules makes the two drivers.
func (s *soak) modules() error {
	source, err := initramfs.FindSource()
	if err != nil {
		return err
	}
	driver := filepath.Join(source, "suites", "example", "driver")
	s.good = &sort{name: "good", module: driver}
	s.bad = &sort{name: "bad", module: filepath.Join(s.temp, "soak-bad")}
	if err := os.CopyFS(s.bad.module, os.DirFS(driver)); err != nil {
		return err
	}
	path := filepath.Join(s.bad.module, "fifo.c")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	broken, err := mutate(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(broken), 0o644)
}

// mutate makes the driver's init dereference NULL.
func mutate(source string) (string, error) {
	const old, insert = "\tint ret;\n\n\tif (capacity <", "\tint ret;\n\n\tWRITE_ONCE(*(int *)NULL, 1);\n\tif (capacity <"
	if n := strings.Count(source, old); n != 1 {
		return "", fmt.Errorf("the driver has the line to break %d times, not once", n)
	}
	return strings.Replace(source, old, insert, 1), nil
}

// once runs one cell through a clone and holds its verdict against the first.
func (s *soak) once(ctx context.Context, c *sort) error {
	out, err := os.MkdirTemp(s.temp, "out-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	h, err := harness.New(harness.Options{Tool: "modmatrix-bench soak", Events: s.notice})
	if err != nil {
		return err
	}
	plan, err := h.Plan(ctx, harness.Spec{Module: c.module, Kernels: []string{s.selector}, Suites: []string{harness.Lifecycle}, Out: out, Jobs: 1, NoCache: true, Focus: s.focus})
	if err != nil {
		return err
	}
	res, err := h.Run(ctx, plan)
	if err != nil {
		return err
	}
	if len(res.Records) != 1 {
		return fmt.Errorf("%d records, not one: name one kernel", len(res.Records))
	}
	return c.compare(res.Records[0])
}

// notice passes on what the harness has to say, the same thing once.
func (s *soak) notice(e results.Event) {
	if _, again := s.said.LoadOrStore(e.Text, true); e.Kind == results.EventNotice && !again {
		s.say("       %s", e.Text)
	}
}

func (c *sort) compare(rec results.Record) error {
	is := verdictOf(rec)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = &is
	}
	c.times++
	switch {
	case !reflect.DeepEqual(is, *c.first):
		return deviation{fmt.Sprintf("%s, time %d: %+v, and the first time %+v", c.name, c.times, is, *c.first)}
	case rec.Timings.Restore == 0 || rec.Cached:
		return deviation{fmt.Sprintf("%s, time %d: not from a clone", c.name, c.times)}
	}
	return nil
}

// inRow runs one guest after the other.
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
			s.say("soak: %d of %d in a row, %.2f s each, load %.1f, %d deviations", n, s.row, time.Since(began).Seconds()/float64(n+n/everyBad), load(), failed(errs))
		}
	}
	return errors.Join(errs...)
}

// together runs the cell in many clones at once.
func (s *soak) together(ctx context.Context, c *sort) error {
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
	s.say("soak: %d at once, %s: %.1f s, load %.1f, %d deviations", s.atOnce, c.name, time.Since(began).Seconds(), load(), failed(errs))
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
