package harness

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/console"
)

// cell is one target with one suite, under way.
type cell struct {
	*run
	tree  *kernels.Tree
	about results.Target
	suite string
	built built
	dir   string        // of its artifacts
	took  time.Duration // of the guest, without the wait for a free processor

	interactive bool // give a shell instead of running a suite
}

// judge takes the cell through its guest and gives its record, with the artifacts written.
func (c *cell) judge(ctx context.Context) results.Record {
	c.dir = c.out.cell(c.about, c.suite)
	e, console := c.evidence(ctx)
	if wasInterrupted(ctx, ctx.Err()) && (e.Guest == nil || !e.Guest.End) {
		e.Interrupted = true
	}
	rec := Judge(e)
	rec.Cached = c.built.cached && c.plan.Spec.BuildOnly
	artifacts, err := c.out.keep(c.dir, c.built.log, console, rec.Specs)
	if err != nil {
		rec.Notes = append(rec.Notes, "artifacts: "+err.Error())
	}
	rec.Artifacts = artifacts
	return rec
}

// evidence gathers all there is to know, and the console log where there was a guest.
func (c *cell) evidence(ctx context.Context) (Evidence, []byte) {
	e := Evidence{Want: c.tree.Target.Release, BuildOnly: c.plan.Spec.BuildOnly, Build: c.built.fault, Trouble: c.built.trouble,
		Built: len(c.built.modules) > 0, Modules: len(c.built.modules)}
	if e.Build != nil || e.Trouble != nil || e.BuildOnly || !e.Built {
		return e, nil
	}
	if err := c.cpu.Acquire(ctx, 1); err != nil {
		return e, nil
	}
	defer c.cpu.Release(1)
	defer func(began time.Time) { c.took = time.Since(began) }(time.Now())
	log, err := c.boot(ctx, &e)
	if err != nil {
		e.Trouble = &Blame{results.StageBoot, results.CodeInfra, err.Error()}
	}
	return e, log
}

// boot runs the cell's guest and adds what it tells to e. An error is trouble of ours.
func (c *cell) boot(ctx context.Context, e *Evidence) ([]byte, error) {
	ev := Event{Kind: EventStage, Target: Label(c.tree.Target), Suite: c.suite, Stage: results.StageBoot}
	c.stage(ev, StateStart, "", 0)
	plan, image, err := c.image()
	if err != nil {
		c.stage(ev, StateFailed, err.Error(), 0)
		return nil, err
	}
	defer os.Remove(image)
	verdict, err := c.accel(c.tree.Image, image, plan.Nonce)
	if err != nil {
		return nil, err
	}
	g := NewGuest(plan.Nonce)
	e.Guest = g
	log := &vm.BoundedLog{}
	e.End, err = c.guest(ctx, machine{image: image, accel: verdict.Accel, log: log}, g)
	text := log.Bytes()
	c.readConsole(e, text, log.Total() > int64(len(text)))
	return text, err
}

// readConsole finds the faults in the kernel log and puts them where they struck.
func (c *cell) readConsole(e *Evidence, text []byte, cut bool) {
	line := readMarkers(text, e.Guest.Nonce, e.Guest.Started)
	for _, s := range console.Scan(text) {
		stage, spec := line.at(s.Start)
		e.Splats = append(e.Splats, Splat{s, stage, spec})
	}
	if _, bad := refused(e.Guest.Loads); bad {
		e.LoadWords = console.Reason(line.during(text, results.StageLoad), c.modules()[0].Name)
	}
	e.Tail = tail(text, 4<<10)
	loss := console.Lost(text)
	e.Incomplete = cut || !loss.Complete()
}

func (c *cell) modules() []kbuild.Module { return c.built.modules }

// image assembles what the guest boots with: the base, and this cell's payload behind it.
func (c *cell) image() (wire.Plan, string, error) {
	base, err := c.baseImage()
	if err != nil {
		return wire.Plan{}, "", err
	}
	plan, payload, err := c.payload()
	if err != nil {
		return plan, "", err
	}
	out := filepath.Join(c.work, "image-"+rand.Text())
	if err := initramfs.WriteImage(out, base, payload); err != nil {
		return plan, "", fmt.Errorf("write guest image: %w", err)
	}
	return plan, out, nil
}

// payload is the plan and every file that it names.
func (c *cell) payload() (wire.Plan, initramfs.Payload, error) {
	t := c.tree.Target
	plan := wire.Plan{Nonce: rand.Text(), Time: time.Now().UnixNano(),
		Target: wire.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour}}
	var files []initramfs.File
	deps, err := c.tree.Closure(foreign(c.built.modules)...)
	if err != nil {
		return plan, initramfs.Payload{}, err
	}
	for _, host := range deps {
		data, err := kernels.ReadModule(host)
		if err != nil {
			return plan, initramfs.Payload{}, err
		}
		name, _, _ := strings.Cut(filepath.Base(host), ".ko")
		guest := wire.ModuleDir + "/kernel/" + name + ".ko"
		plan.Dependencies = append(plan.Dependencies, guest)
		files = append(files, initramfs.File{Guest: guest, Data: data, Mode: 0o644})
	}
	for _, m := range c.built.modules {
		guest := wire.ModuleDir + "/" + m.Name + ".ko"
		plan.Modules = append(plan.Modules, wire.Module{Name: m.Name, Path: guest, Params: paramsFor(m, c.plan.Spec.Params), Declared: declared(m)})
		files = append(files, initramfs.File{Guest: guest, Host: m.Path, Mode: 0o644})
	}
	plan.Interactive = c.interactive
	if !c.interactive {
		plan.Suite = &wire.Suite{Name: c.suite, Path: wire.SuitePath, TimeoutMS: suiteTimeout(c.plan.Spec).Milliseconds()}
		if c.plan.Spec.Focus != "" {
			plan.Suite.Args = []string{"--ginkgo.focus=" + c.plan.Spec.Focus}
		}
		files = append(files, initramfs.File{Guest: wire.SuitePath, Host: c.suites[c.suite], Mode: 0o755})
	}
	if c.tree.DotFile != "" {
		files = append(files, initramfs.File{Guest: wire.PayloadDir + "/config", Host: c.tree.DotFile, Mode: 0o644})
	}
	return plan, initramfs.Payload{Plan: plan, Files: files}, nil
}

// foreign lists what the modules depend on and do not bring themselves.
func foreign(modules []kbuild.Module) []string {
	own := map[string]bool{}
	for _, m := range modules {
		own[m.Name] = true
	}
	var names []string
	for _, m := range modules {
		for _, d := range m.Depends {
			if !own[strings.ReplaceAll(d, "-", "_")] && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	return names
}

// paramsFor gives those of params that m declares: in a package of several modules each takes its own.
func paramsFor(m kbuild.Module, params []string) []string {
	var out []string
	for _, p := range params {
		name, _, _ := strings.Cut(p, "=")
		if slices.ContainsFunc(m.Params, func(d kbuild.Param) bool { return d.Name == name }) {
			out = append(out, p)
		}
	}
	return out
}

func declared(m kbuild.Module) []wire.Param {
	var out []wire.Param
	for _, p := range m.Params {
		out = append(out, wire.Param{Name: p.Name, Type: p.Type, Desc: p.Description})
	}
	return out
}

// machine is what one guest needs beyond the cell.
type machine struct {
	image string
	accel vm.Accel
	log   io.Writer
	term  io.ReadWriter
}

// guest runs the machine to its end and folds its frames into g.
func (c *cell) guest(ctx context.Context, m machine, g *Guest) (Ending, error) {
	frames, report := io.Pipe()
	spec := c.plan.Spec
	v := &vm.Machine{Arch: c.tree.Target.Arch, Kernel: c.tree.Image, Initrd: m.image, MemoryMiB: spec.MemoryMiB, CPUs: spec.CPUs,
		Accel: m.accel, Console: m.log, Report: report, Terminal: m.term}
	p, err := v.Start(ctx)
	if err != nil {
		return Ending{}, err
	}
	w := newWatch(c.limits(spec), p.Kill)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.listen(wire.NewReader(frames), g, w)
	}()
	out, err := p.Wait()
	report.Close()
	<-done
	end := w.stop()
	end.Reason = string(out.Reason)
	if err != nil && ctx.Err() == nil && end.Late == "" {
		return end, err
	}
	return end, nil
}

// listen folds frames into g until the guest falls silent, and tells whoever watches the run.
func (c *cell) listen(r *wire.Reader, g *Guest, w *watch) {
	for {
		f, err := r.Next()
		if err != nil {
			return
		}
		if !g.Add(f) {
			continue
		}
		w.heard(stageOf(g))
		c.tellFrame(f, g)
	}
}

func (c *cell) tellFrame(f wire.Frame, g *Guest) {
	ev := Event{Kind: EventStage, Target: Label(c.tree.Target), Suite: c.suite, Stage: results.Stage(f.Stage)}
	took := time.Duration(g.Took[results.Stage(f.Stage)]) * time.Millisecond
	switch f.Kind {
	case wire.KindHello:
		ev.Stage = results.StageBoot
		c.stage(ev, StateDone, "", time.Duration(f.At)*time.Millisecond)
	case wire.KindStage:
		state := StateStart
		if f.Done {
			state = StateDone
		}
		c.stage(ev, state, "", took)
	case wire.KindSpecStart, wire.KindSpecEnd:
		if f.Spec == nil {
			return
		}
		ev.Kind, ev.Stage, ev.State = EventSpec, results.StageTest, StateStart
		if f.Kind == wire.KindSpecEnd {
			ev.State = StateDone
		}
		ev.Text, ev.Done, ev.Total = f.Spec.Name, int64(len(g.Specs)), int64(len(g.Planned))
		c.event(ev)
	}
}

// makeBase builds the image that all guests share, once for each version of this tool.
func (r *run) makeBase(ctx context.Context) (string, error) {
	source, err := initramfs.FindSource()
	if err != nil {
		return "", err
	}
	digest, err := initramfs.BaseDigest(source)
	if err != nil {
		return "", err
	}
	dir, _, err := r.store.Fill(ctx, "bases", strings.TrimPrefix(digest, "sha256:"), func(dir string) error {
		r.event(Event{Kind: EventNotice, Text: "building the guest image (once; under a minute)"})
		temp, err := os.MkdirTemp(r.work, "base-")
		if err != nil {
			return err
		}
		var log strings.Builder
		err = r.base(ctx, initramfs.Options{Source: source, Out: filepath.Join(dir, "base.cpio"), Temp: temp, Log: &log})
		if err != nil {
			return fmt.Errorf("build guest image: %w", err)
		}
		return os.WriteFile(filepath.Join(dir, kernels.TitleFile), []byte("guest image"), 0o644)
	})
	return filepath.Join(dir, "base.cpio"), err
}

// compileSuites makes one test binary of each suite, for all kernels, or finds it in the store.
func (r *run) compileSuites(ctx context.Context) error {
	r.suites = map[string]string{}
	for _, s := range r.plan.Suites {
		path, err := r.compileSuite(ctx, s)
		var bad *initramfs.CompileError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &bad):
			return &UsageError{fmt.Errorf("suite %s does not compile: %w", s.Name, err)}
		case err != nil:
			return err
		}
		r.suites[s.Name] = path
	}
	return nil
}

func (r *run) compileSuite(ctx context.Context, s Suite) (string, error) {
	dir := s.Dir
	if dir == "" {
		source, err := initramfs.FindSource()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(source, "suites", s.Name)
	}
	digest, err := initramfs.SuiteDigest(ctx, dir)
	if err != nil { // then there is nothing to find it by, and compiling tells why
		out := filepath.Join(r.work, s.Name+".test")
		return out, r.compile(ctx, dir, out)
	}
	entry, _, err := r.store.Fill(ctx, "suites", strings.TrimPrefix(digest, "sha256:"), func(dst string) error {
		if err := r.compile(ctx, dir, filepath.Join(dst, suiteBinary)); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dst, kernels.TitleFile), []byte("suite "+s.Name), 0o644)
	})
	return filepath.Join(entry, suiteBinary), err
}

// suiteBinary is what a compiled suite is called in its entry of the store.
const suiteBinary = "suite.test"

func specsJSON(specs []results.Spec) ([]byte, error) { return json.MarshalIndent(specs, "", "\t") }
