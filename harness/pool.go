package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/vm"
)

// pool makes the guests of one run: a template for each kernel, clones of it, and guests that boot where there is none.
type pool struct {
	h     *Harness
	spec  Spec
	work  string // the run's own folder, for drives and images
	qemus emulators
	cpu   *slots
	own   handover
	turn  func(label string) turn // of what a kernel's cells share

	families map[string]*family // by architecture, in uname -m's word

	mu        sync.Mutex
	templates map[string]*template // by templateName
}

// newPool returns a pool whose files lie in work. settled is called when it is known what runs the guests
// of the architecture that the run's head speaks of.
func newPool(ctx context.Context, h *Harness, s Spec, work string, qemus emulators, cpu *slots, settled func(vm.Verdict)) (*pool, error) {
	p := &pool{h: h, spec: s, work: work, qemus: qemus, cpu: cpu, families: map[string]*family{}, templates: map[string]*template{}}
	if err := initramfs.EmptyDrive(p.emptyDrive()); err != nil {
		return nil, fmt.Errorf("make an empty drive: %w", h.store.WithCure(err, ""))
	}
	p.addFamilies(ctx, settled)
	return p, nil
}

func (p *pool) emptyDrive() string { return filepath.Join(p.work, "empty.drive") }

// machine is a guest that was started: its process, and the host's ends of its ports.
type machine struct {
	*vm.Process
	clone  bool
	file   string // its drive, or the image that it boots
	log    *vm.BoundedLog
	frames *io.PipeReader
	report *io.PipeWriter
}

// newMachine makes all of a machine but its process, and returns m with its ports joined to it.
func (p *pool) newMachine(m vm.Machine) (*machine, vm.Machine) {
	g := &machine{file: filepath.Join(p.work, "guest-"+rand.Text()), log: &vm.BoundedLog{Pick: worthKeeping}}
	g.frames, g.report = io.Pipe()
	m.Console, m.Report = g.log, g.report
	return g, m
}

func (g *machine) end() {
	g.frames.Close()
	if g.Process != nil {
		g.Kill()
		g.Wait()
	}
	os.Remove(g.file)
}

// ports are where somebody reaches a guest by hand. The zero value is nowhere.
type ports struct {
	terminal io.ReadWriter // of its shell; nil: none
	debug    string        // path of the socket for a debugger; empty: none
}

// start starts a guest with payload: a clone of t's template, or one that boots. A template of no use is discarded.
func (p *pool) start(ctx context.Context, t *template, payload initramfs.Payload, to ports) (*machine, error) {
	if t.dir == "" {
		t.noticed.Do(func() { p.h.Notice(t.label + " has no template, so each of its guests boots: " + t.why) })
		return p.boot(ctx, t, payload, to)
	}
	if to == (ports{}) {
		if g, ok := t.wake(ctx, payload); ok {
			return g, nil
		}
	}
	g, err := p.restore(ctx, t, to, func(drive string) error { return initramfs.WriteDrive(drive, payload) }, false)
	if err == nil || !errors.Is(err, vm.ErrTemplate) && !store.IsReadOnly(err) { // QEMU wants to write to the file of the memory
		return g, err
	}
	p.h.Notice(t.label + ": " + err.Error() + "; booting instead")
	if errors.Is(err, vm.ErrTemplate) {
		_ = p.drop(t)
	}
	return p.boot(ctx, t, payload, to)
}

// restore starts a clone whose drive fill has written; one that is paused waits for wake.
func (p *pool) restore(ctx context.Context, t *template, to ports, fill func(drive string) error, paused bool) (*machine, error) {
	g, m := p.newMachine(t.machine)
	m.Drive, m.Terminal, m.Debug, m.Paused = g.file, to.terminal, to.debug, paused
	g.clone = true
	g.log.Write(t.console)
	return g.started(ctx, func() (*vm.Process, error) {
		if err := fill(g.file); err != nil {
			return nil, fmt.Errorf("write payload: %w", err)
		}
		return m.Restore(ctx, t.dir)
	})
}

// boot starts a guest from power-on, with payload in its image.
func (p *pool) boot(ctx context.Context, t *template, payload initramfs.Payload, to ports) (*machine, error) {
	base, err := p.families[t.machine.Arch].base()
	if err != nil {
		return nil, err
	}
	payload.Files = slices.Concat(t.lines, payload.Files)
	g, m := p.newMachine(t.machine)
	m.Initrd, m.Terminal, m.Debug = g.file, to.terminal, to.debug
	return g.started(ctx, func() (*vm.Process, error) {
		if err := initramfs.WriteImage(g.file, base, payload); err != nil {
			return nil, fmt.Errorf("write guest image: %w", err)
		}
		return m.Start(ctx)
	})
}

// started returns g with the process that start returns; after an error, nothing of g is left. Nobody reads what the guest
// reports before it is there: once ctx has ended, nobody will.
func (g *machine) started(ctx context.Context, start func() (*vm.Process, error)) (_ *machine, err error) {
	defer context.AfterFunc(ctx, func() { g.frames.Close() })()
	if g.Process, err = start(); err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

// restoreAhead leaves a paused clone of t, without a payload, for the first cell that wants one: so the machine is there
// when the compiler is done. Whatever keeps it from coming up is met again, and reported, by that cell.
func (p *pool) restoreAhead(ctx context.Context, t *template) {
	if t.dir == "" {
		return
	}
	g, err := p.restore(ctx, t, ports{}, initramfs.EmptyDrive, true)
	if err != nil {
		return
	}
	t.mu.Lock()
	t.spare = g
	t.mu.Unlock()
}

// wake gives the paused clone its payload and lets it run, if there is one and it is in order.
func (t *template) wake(ctx context.Context, payload initramfs.Payload) (*machine, bool) {
	g := t.takeSpare()
	if g == nil {
		return nil, false
	}
	if initramfs.WriteDrive(g.file, payload) != nil || g.Resume(ctx) != nil {
		g.end()
		return nil, false
	}
	return g, true
}

func (t *template) takeSpare() *machine {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.spare
	t.spare = nil
	return g
}

// release ends the paused clone that nobody wanted, and frees what is known of tree's guests: each has a console.
func (p *pool) release(tree *kernels.Tree) {
	p.mu.Lock()
	t := p.templates[templateName(tree)]
	delete(p.templates, templateName(tree))
	p.mu.Unlock()
	if t == nil {
		return
	}
	if g := t.takeSpare(); g != nil {
		g.end()
	}
}

// frameMark is in every frame of the guest's init, and in nothing that a kernel says. The accelerator's probe waits for
// it: without a drive that guest can only complain, which takes user space all the same.
const frameMark = `"kind":"`

func (h *Harness) probeDir() string { return filepath.Join(h.store.Dir(), "probe") }

// probeDir is where verdicts of the probe are kept that p's guests of machine believe. A stranger's image could say anything in a probe:
// what it says is believed of itself alone.
func (p *pool) probeDir(machine string) string {
	return filepath.Join(p.h.probeDir(), p.spec.broughtImage(machine))
}

// probeOnce finds out with the first kernel what runs guests of machine here, and calls settled with the answer.
func (p *pool) probeOnce(ctx context.Context, machine string, settled func(vm.Verdict)) func(kernel, initrd string) (vm.Verdict, error) {
	var once sync.Once
	var verdict vm.Verdict
	var failure error
	return func(kernel, initrd string) (vm.Verdict, error) {
		once.Do(func() {
			verdict, failure = p.h.probe(ctx, vm.ProbeConfig{Arch: machine, Kernel: kernel, Initrd: initrd, Marker: frameMark,
				CacheDir: p.probeDir(machine), RequireKVM: p.spec.RequireKVM})
			if wasInterrupted(ctx, failure) {
				return
			}
			settled(verdict)
			if failure == nil && verdict.Reason != "" && machine == vm.HostArch() { // that others' are emulated goes without saying
				p.h.Notice(verdict.Reason)
			}
		})
		return verdict, failure
	}
}

// Of a guest that QEMU cannot save there will be no template, however often a run tries: each time a kernel boots for nothing.
// So that is remembered, by the key that the template would have had, for a while: a day, since QEMU may be mended in place.
const (
	unsavedKind = "unsaved"
	unsavedFile = "why"
	unsavedFor  = 24 * time.Hour
)

// knownUnsaved is the error of an earlier try at the template called key, if it still counts; else nil.
func (p *pool) knownUnsaved(key string, now time.Time) error {
	dir, hit := p.h.store.Look(unsavedKind, key)
	if !hit {
		return nil
	}
	path := filepath.Join(dir, unsavedFile)
	info, err := os.Stat(path)
	if err == nil && now.Sub(info.ModTime()) < unsavedFor {
		if why, err := os.ReadFile(path); err == nil {
			return fmt.Errorf("%w%s", vm.ErrUnsaved, why)
		}
	}
	p.h.cacheTrouble(p.h.store.Remove(store.Entry{Kind: unsavedKind, ID: key}))
	return nil
}

// noteUnsaved remembers err, if it is one that the next try would only repeat.
func (p *pool) noteUnsaved(ctx context.Context, tree *kernels.Tree, key string, err error) {
	if !errors.Is(err, vm.ErrUnsaved) {
		return
	}
	_, why, _ := strings.Cut(err.Error(), vm.ErrUnsaved.Error())
	_, _, err = p.h.store.Fill(ctx, unsavedKind, key, func(dir string) error {
		return errors.Join(store.SetTitle(dir, "no template of "+Label(tree.Target)), os.WriteFile(filepath.Join(dir, unsavedFile), []byte(why), 0o644))
	})
	p.h.cacheTrouble(err)
}
