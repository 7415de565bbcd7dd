package harness

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dir"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/host"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/source"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/here"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// Source obtains kernels of one kind. Resolve asks what there is; Fetch makes one ready to build against and to boot.
// Errors wrap kernels.ErrNoMatch or kernels.ErrUnavailable where those fit.
type Source interface {
	Resolve(context.Context, kernels.Selector) (kernels.Resolution, error)
	Fetch(context.Context, kernels.Target, func(kernels.Progress)) (*kernels.Tree, error)
}

// Options are what a Harness needs of its surroundings.
type Options struct {
	CacheDir string              // of the store; empty: the user's cache folder
	Events   func(results.Event) // called with everything that happens, never twice at once; nil: nobody listens
	Tool     string              // name and version, for results.json
	History  string              // folder of what earlier runs found; empty: nothing is known of them, and nothing is kept
	Fakes    Fakes               // for tests
}

// Harness plans and runs. It may be used for several runs, one after the other.
type Harness struct {
	store   *store.Store
	tool    string
	history string // see Options

	// What touches the world beyond QEMU, and the host's patience with a guest: fields, so that tests can put fakes in.
	sources  func(Spec) map[string]Source
	make     func(context.Context, kbuild.Request) (*kbuild.Artifact, error)
	evaluate func(*dkms.Package, context.Context, *kernels.Tree) (*dkms.Conf, error)
	pack     func(context.Context, dkms.Request) (*kbuild.Artifact, error)
	static   func(ctx context.Context, r checks.Request, log io.Writer) ([]checks.Result, error)
	compile  func(s initramfs.Suites, ctx context.Context, dir, out string) error
	base     func(context.Context, initramfs.Options) error
	carried  func() ([]initramfs.Ready, error)
	probe    func(context.Context, vm.ProbeConfig) (vm.Verdict, error)
	limits   func(Spec) deadlines
	now      func() time.Time // that deadlines of guests pass by
	judge    func(judge.Evidence) results.Record
	host     hostdevice.Host // whose devices can be handed over
	handOver func(*vm.Process) func(ctx context.Context, number int, f *os.File) error
	helper   func(args ...string) ([]string, error) // how this program is started to act on this machine itself
	pstore   func(ctx context.Context) ([]here.Kept, error)
	alone    func(c *cell, ctx context.Context, t *template, d time.Duration) ([]string, error)

	suiteDigest func(s initramfs.Suites, ctx context.Context, dir string) (string, error) // of sources, as baseDigest
	baseDigest  func(ctx context.Context, dir, machine string) (string, error)

	mu     sync.Mutex
	notify func(results.Event)
}

// New opens the store and returns a Harness that works with it.
func New(opt Options) (*Harness, error) {
	st, err := store.Open(opt.CacheDir)
	if err != nil {
		return nil, err
	}
	h := &Harness{store: st, tool: opt.Tool, history: opt.History, notify: opt.Events,
		make: kbuild.Build, pack: dkms.Build, static: checks.Run, evaluate: (*dkms.Package).Evaluate, base: initramfs.BuildBase, carried: initramfs.Carried, probe: vm.Probe, limits: limits, now: time.Now, judge: judge.Judge, alone: (*cell).listenAlone,
		handOver: func(p *vm.Process) func(context.Context, int, *os.File) error { return p.HandOver },
		helper:   helper, pstore: readPstore}
	h.sources = func(s Spec) map[string]Source {
		cfg := debian.Config{Mirror: s.Mirror, SecurityMirror: s.SecurityURL, Offline: s.Offline}
		archive := debian.New(st, cfg)
		compiled := source.New(st, archive)
		return map[string]Source{"debian": archive, "dir": dir.New(st), "git": compiled, "here": host.New(st, host.Config{Here: true}), "host": host.New(st, host.Config{}), "tar": compiled}
	}
	h.compile, h.suiteDigest, h.baseDigest = initramfs.Suites.Compile, initramfs.Suites.Digest, initramfs.BaseDigest
	opt.Fakes.into(h)
	return h, nil
}

// Store is where kernels, roots, images and builds are kept.
func (h *Harness) Store() *store.Store { return h.store }

// Sources are where kernels come from, by the first word of a selector.
func (h *Harness) Sources(s Spec) map[string]Source { return h.sources(s) }

// Notice reports something that the user should know.
func (h *Harness) Notice(text string) {
	h.event(results.Event{Kind: results.EventNotice, Text: text})
}

// Report passes on e as an event among those of runs.
func (h *Harness) Report(e results.Event) { h.event(e) }

func (h *Harness) event(e results.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.notify == nil {
		return
	}
	e.Schema, e.Time = results.EventSchema, time.Now()
	h.notify(e)
}

func (h *Harness) stage(ev results.Event, state results.State, text string, took time.Duration) {
	ev.State, ev.Text, ev.Elapsed = state, text, took
	h.event(ev)
}

// Fakes replace what touches the world beyond QEMU, in tests of those who use a Harness; nil is the real thing.
type Fakes struct {
	Sources  map[string]Source
	Build    func(context.Context, kbuild.Request) (*kbuild.Artifact, error)
	Checks   func(ctx context.Context, r checks.Request, log io.Writer) ([]checks.Result, error)
	Compile  func(ctx context.Context, dir, out string) error // of suites
	Base     func(context.Context, initramfs.Options) error
	Probe    func(context.Context, vm.ProbeConfig) (vm.Verdict, error)
	Host     hostdevice.Host // this machine, as far as its devices go
	HandOver func(*vm.Process) func(ctx context.Context, number int, f *os.File) error
	Digest   func(ctx context.Context, dir string) (string, error) // of the source of a suite, or of the base
	Carried  func() ([]initramfs.Ready, error)                     // what a release brings along
}

func (f Fakes) into(h *Harness) {
	if f.Sources != nil {
		h.sources = func(Spec) map[string]Source { return f.Sources }
	}
	if f.Build != nil {
		h.make = f.Build
	}
	if f.Checks != nil {
		h.static = f.Checks
	}
	if f.Compile != nil {
		h.compile = func(_ initramfs.Suites, ctx context.Context, dir, out string) error { return f.Compile(ctx, dir, out) }
	}
	if f.Base != nil {
		h.base = f.Base
	}
	if f.Carried != nil {
		h.carried = f.Carried
	}
	if f.Probe != nil {
		h.probe = f.Probe
	}
	h.host = f.Host
	if f.HandOver != nil {
		h.handOver = f.HandOver
	}
	if f.Digest != nil {
		h.suiteDigest = func(s initramfs.Suites, ctx context.Context, dir string) (string, error) {
			digest, err := f.Digest(ctx, dir)
			return "sha256:" + store.Digest(digest, s.Arch.Name), err
		}
		h.baseDigest = func(ctx context.Context, dir, _ string) (string, error) { return f.Digest(ctx, dir) }
	}
}
