package harness

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// The files of a cached cell.
const (
	cellRecord   = "record.json"
	cellConsole  = "console.log"
	cellSuiteLog = "suite.log"
)

// cacheKey names a cell by everything that its verdict depends on; empty when the verdict must be found anew. There is
// no key without a template's, which stands for kernel, guest, machine, QEMU and accelerator. Nor is there one where a guest has
// a device of this machine: what state that is in, nobody knows.
func (c *cell) cacheKey(t *template) string {
	if t == nil || t.id == "" || c.spec().NoCache || c.spec().Count > 1 || len(c.spec().HostDevices) > 0 {
		return ""
	}
	// The same file from another hand (mark) is another cell.
	all := []any{judge.Version, t.id, c.tree.Digest, c.about, c.suite, c.mark(), c.compiled(c.suite).sum, c.spec().decided(classCell),
		listOf(c.built.firmware, func(f firmware) string { return f.digest })}
	for _, m := range slices.Concat(c.built.depends, c.built.all()) {
		sum, err := kernels.FileSHA256(m.Path)
		if err != nil {
			return ""
		}
		all = append(all, sum)
	}
	if len(c.built.predicted) > 0 {
		all = append(all, c.built.predicted) // the record says so, in the words of today
	}
	data, _ := json.Marshal(all) // plain data
	return store.Digest(string(data))
}

// recall returns the record of the same cell as it was judged before, with its artifacts written anew.
func (c *cell) recall(key string) (rec results.Record, ok bool) {
	if key == "" {
		return rec, false
	}
	dir, hit := c.run.h.store.Look("cells", key)
	if !hit || store.ReadJSON(filepath.Join(dir, cellRecord), &rec) != nil {
		return rec, false
	}
	console, err := os.ReadFile(filepath.Join(dir, cellConsole))
	if err != nil {
		return rec, false
	}
	said, _ := os.ReadFile(filepath.Join(dir, cellSuiteLog)) // most suites print nothing
	rec.Cached = true
	rec.Artifacts, err = c.run.records.out.keep(c.folder(1), c.built.log, console, string(said), rec.Specs)
	return rec, err == nil
}

// remember keeps a cell that passed or was skipped. A failure is looked at again and again while it is being mended, and
// must come from the guest each time; and what went wrong on our side says nothing of the next time.
func (c *cell) remember(ctx context.Context, key string, rec results.Record, g *judge.Guest, console []byte) {
	if key == "" || ctx.Err() != nil || rec.Status != results.Pass && rec.Status != results.Skip || rec.Artifacts.Console == "" {
		return
	}
	_, _, err := c.run.h.store.Fill(ctx, "cells", key, func(dir string) error {
		return errors.Join(writeJSON(dir, cellRecord, rec), store.SetTitle(dir, c.suite+" on "+Label(c.tree.Target)),
			os.WriteFile(filepath.Join(dir, cellSuiteLog), []byte(g.Output), 0o644), os.WriteFile(filepath.Join(dir, cellConsole), console, 0o644))
	})
	if err == nil && c.plansAlone() {
		err = c.rememberSpecs(ctx, g)
	}
	c.run.h.cacheTrouble(err)
}

// knownSpecs is what a suite planned on a target before: the specs, and the title that they are chosen by.
type knownSpecs struct {
	Title string      `json:"title"`
	Specs []wire.Spec `json:"specs"`
}

// compiled is a suite as the guests of c's kernel run it.
func (c *cell) compiled(suite string) compiled {
	return c.run.suites[suiteOn{suite, c.tree.Target.Arch}]
}

func (c *cell) specsKey(suite string) string {
	t := c.tree.Target
	return store.Digest("v5", c.tree.Digest, t.Version, t.Arch, t.Flavour, c.spec().Focus, c.compiled(suite).sum, c.spec().broughtImage(t.Arch))
}

// rememberSpecs keeps what the suite planned in a guest in which nothing foreign but the suite itself had run by then: the
// next guest of this kernel need not ask it, whichever module it has.
func (c *cell) rememberSpecs(ctx context.Context, g *judge.Guest) error {
	if g == nil || len(g.Planned) == 0 || g.Broken != "" {
		return nil
	}
	_, _, err := c.run.h.store.Fill(ctx, "specs", c.specsKey(c.suite), func(dir string) error {
		return writeJSON(dir, specsFile, knownSpecs{g.Title, g.Planned})
	})
	return err
}

// plansAlone reports whether the suite plans in its guests before any code of another package or suite has run there: with
// that code's own word for it, one module could decide what is expected of the next.
func (c *cell) plansAlone() bool {
	return len(c.built.depends) == 0 && (c.spec().Isolate != IsolateNone || len(c.run.plan.inGuests()) == 1)
}

// knownSpecs returns what the suite planned on this kernel before; the zero value when nobody knows.
func (c *cell) knownSpecs(suite string) (known knownSpecs) {
	dir, hit := c.run.h.store.Look("specs", c.specsKey(suite))
	if !hit || store.ReadJSON(filepath.Join(dir, specsFile), &known) != nil {
		return knownSpecs{}
	}
	return known
}

// specsFile is the list of specs in its entry of the store.
const specsFile = "specs.json"

// writeJSON writes a file of an entry of the store, which nobody sees before it is whole.
func writeJSON(dir, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o644)
}

// cacheTrouble reports an error that costs the next run its time, and this one nothing.
func (h *Harness) cacheTrouble(err error) {
	if err != nil {
		h.Notice("the cache: " + err.Error())
	}
}
