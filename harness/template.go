package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// readyWord is the nonce of a guest that becomes a template. A clone has that of its own plan.
const readyWord = "template"

// template is how guests of one kernel are started: clones of the guest that was frozen in dir, or ones that boot, where
// there is no dir. It is made or found once in a run and shared by all cells of the kernel.
type template struct {
	once    sync.Once
	label   string           // of the target
	lines   []initramfs.File // the kernel's modules that the guest's lines need, where they are not built in
	machine vm.Machine       // what it was made from; a clone differs in its drive and its ports
	dir     string           // in the store; empty when there is no template
	id      string           // of all that its guests are made of but their payload, also where they boot since none of their architecture is saved; empty where it is not known
	fresh   bool             // it was made in this run
	console []byte           // what the kernel printed before it was frozen
	failed  *judge.Evidence  // the kernel alone never came up
	why     string           // there is no template, for this reason
	noticed sync.Once        // the user knows why
	err     error            // infrastructure trouble

	verify sync.Once
	whole  *template // this one, if it was read and is whole, else the one that is used in its place; see verified

	mu    sync.Mutex
	spare *machine // a clone that waits, paused; nil for none
}

// template returns the template of tree's kernel. It boots the kernel only where nobody did before.
func (p *pool) template(ctx context.Context, tree *kernels.Tree) *template {
	p.mu.Lock()
	t, ok := p.templates[templateName(tree)]
	if !ok {
		t = &template{}
		p.templates[templateName(tree)] = t
	}
	p.mu.Unlock()
	t.once.Do(func() { p.freeze(ctx, tree, t) })
	return t
}

func templateName(tree *kernels.Tree) string {
	return fmt.Sprint(tree.Digest, tree.Image, tree.Target.MoreMiB)
}

func (p *pool) freeze(ctx context.Context, tree *kernels.Tree, t *template) {
	t.label = Label(tree.Target)
	if t.err = p.qemus[tree.Target.Arch].err; t.err != nil {
		return
	}
	f, q := p.families[tree.Target.Arch], machineOf(tree)
	if t.lines, t.err = LineModules(tree); t.err != nil {
		t.err = fmt.Errorf("guests of %s report over a line that this kernel has no driver for: %w", debianWord(tree.Target.Arch), t.err)
		return
	}
	modules, unfit := ChannelModules(tree)
	if unfit != nil {
		modules = t.lines
	}
	image, err := p.templateImage(ctx, tree, modules)
	if err != nil {
		t.err = err
		return
	}
	verdict, err := f.accel(tree.Image, image)
	if err != nil {
		t.err = err
		return
	}
	t.machine = vm.Machine{Arch: tree.Target.Arch, Kernel: tree.Image, Initrd: image, MemoryMiB: guestMiB(p.spec, tree.Target), CPUs: p.spec.CPUs,
		Devices: p.spec.Devices, Plugs: plugsOf(p.spec.Plugs), HostUSB: p.spec.handsUSB(), HostPCI: p.own.pci(), Accel: verdict.Accel, Args: append(kernelArgs(tree), wire.NonceArg+readyWord)}
	switch {
	case unfit != nil:
		t.why = unfit.Error()
		return
	case q.NoTemplate != "":
		t.why = q.NoTemplate
		t.id, t.err = p.templateKey(t)
		return
	case len(t.machine.HostPCI) > 0:
		t.why = "a PCI device of this machine is there from power-on"
		return
	}
	for range 2 { // a kernel that crashed boots again, once
		t.failed = nil
		if t.dir, t.fresh, err = p.findOrMake(ctx, tree, t); err == nil || t.failed == nil || t.failed.End.Late != "" {
			break
		}
	}
	if err == nil {
		t.id = filepath.Base(t.dir)
		t.console, err = os.ReadFile(filepath.Join(t.dir, vm.TemplateConsole))
	}
	if err != nil && t.failed == nil {
		t.dir, t.id, t.why = "", "", err.Error()
	}
}

// verified returns t if its template is whole, and else one that is made anew. All of the template is read for it, once in
// a run, which takes tens of milliseconds, so it is called where there will be a guest. Nil is returned as it is.
func (p *pool) verified(ctx context.Context, tree *kernels.Tree, t *template) *template {
	if t == nil {
		return nil
	}
	t.verify.Do(func() {
		t.whole = t
		if t.dir == "" || t.fresh {
			return
		}
		err := vm.VerifyTemplate(t.dir)
		switch {
		case err == nil:
			return
		case errors.Is(err, vm.ErrTemplate) && p.drop(t) == nil:
			anew := &template{}
			p.freeze(ctx, tree, anew)
			t.whole = p.verified(ctx, tree, anew)
		default:
			t.whole = &template{label: t.label, machine: t.machine, why: err.Error()}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.templates[templateName(tree)] = t.whole
	})
	return t.whole
}

// machineOf is the machine that plays tree's guests.
func machineOf(tree *kernels.Tree) arch.QEMU {
	a, _ := arch.OfMachine(tree.Target.Arch) // where it is none, there is no emulator of it
	return a.QEMU
}

// ChannelModules are the kernel's own modules that bring a guest's frames to us, and a clone its payload, in load order; none are needed where
// they are built in. Nothing that the module under test needs is in a template. An error: it cannot be frozen.
func ChannelModules(tree *kernels.Tree) ([]initramfs.File, error) {
	q := machineOf(tree)
	return channelModules(tree, slices.Concat(q.LineModules, q.DiskModules)...)
}

// LineModules are those of them that bring a guest's frames to us: it needs them even where it boots with its payload.
func LineModules(tree *kernels.Tree) ([]initramfs.File, error) {
	return channelModules(tree, machineOf(tree).LineModules...)
}

func channelModules(tree *kernels.Tree, names ...string) ([]initramfs.File, error) {
	paths, err := tree.Closure(names...)
	if err != nil {
		return nil, err
	}
	var files []initramfs.File
	for i, path := range paths {
		file, err := kernelFile(path, fmt.Sprintf("%s/%02d-", wire.BaseDir, i))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// templateImage is the base image with the channels' modules of one kernel behind it.
func (p *pool) templateImage(ctx context.Context, tree *kernels.Tree, modules []initramfs.File) (string, error) {
	base, err := p.families[tree.Target.Arch].base()
	if err != nil {
		return "", err
	}
	id := store.Digest(filepath.Base(filepath.Dir(base)), tree.Digest)
	dir, _, err := p.h.store.Fill(ctx, "images", id, func(dir string) error {
		if err := store.SetTitle(dir, "template image for "+Label(tree.Target)); err != nil {
			return err
		}
		return initramfs.WriteTemplateImage(filepath.Join(dir, "image.cpio"), base, modules)
	})
	return filepath.Join(dir, "image.cpio"), err
}

func (p *pool) findOrMake(ctx context.Context, tree *kernels.Tree, t *template) (dir string, made bool, err error) {
	key, err := p.templateKey(t)
	if err != nil {
		return "", false, err
	}
	if err := p.knownUnsaved(key, time.Now()); err != nil {
		return "", false, err
	}
	dir, hit, err := p.h.store.Fill(ctx, templateKind, key, func(dir string) error {
		if err := store.SetTitle(dir, "template of "+Label(tree.Target)); err != nil {
			return err
		}
		return p.makeTemplate(ctx, dir, tree, t)
	})
	p.noteUnsaved(ctx, tree, key, err)
	return dir, !hit, err
}

const templateKind = "templates"

func (p *pool) templateKey(t *template) (string, error) {
	m := t.machine
	m.Drive = p.emptyDrive()
	key, err := m.TemplateKey(p.qemus[m.Arch].version)
	return strings.TrimPrefix(key, "sha256:"), err
}

func (p *pool) drop(t *template) error {
	key, err := p.templateKey(t)
	if err != nil {
		return err
	}
	return p.h.store.Remove(store.Entry{Kind: templateKind, ID: key})
}

// makeTemplate boots the kernel, waits until its init is ready for a payload, and freezes it there.
func (p *pool) makeTemplate(ctx context.Context, dir string, tree *kernels.Tree, t *template) error {
	if err := p.cpu.acquire(ctx, p.turn(Label(tree.Target))); err != nil {
		return err
	}
	defer p.cpu.release()
	m := t.machine
	m.Drive = p.emptyDrive()
	frames, report := io.Pipe()
	log := &vm.BoundedLog{}
	m.Report, m.Console = report, log
	guest, err := m.StartTemplate(ctx, dir)
	if err != nil {
		return err
	}
	defer guest.Wait()
	defer frames.Close()
	defer guest.Kill()
	ready := make(chan string, 1)
	go func() { ready <- waitReady(frames) }()
	limit := time.NewTimer(p.h.deadlines(p.spec, tree.Target).boot)
	defer limit.Stop()
	select {
	case trouble := <-ready:
		if trouble != "" {
			return errors.New(trouble)
		}
		return guest.Save(ctx)
	case <-guest.Done():
	case <-limit.C:
		guest.Kill()
	case <-ctx.Done():
		return ctx.Err()
	}
	out, err := guest.Wait()
	if err != nil {
		return err
	}
	t.failed, t.console = p.neverReady(tree, out, log.Bytes()), log.Bytes()
	return errors.New("the kernel never came up")
}

// neverReady is the evidence of a kernel that ended with log before its init was ready.
func (p *pool) neverReady(tree *kernels.Tree, out vm.Outcome, log []byte) *judge.Evidence {
	end := judge.Ending{Reason: string(out.Reason), Stderr: judge.LastLine(out.Stderr)}
	if out.Reason == vm.HostKilled {
		end.Late, end.Seconds = results.StageBoot, int(p.h.deadlines(p.spec, tree.Target).boot.Seconds())
	}
	return &judge.Evidence{Guest: judge.NewGuest(""), End: end, Tail: judge.Tail(log)}
}

// waitReady reads frames until the guest is ready, and says what it complained of instead, if it did.
func waitReady(frames io.Reader) string {
	r := wire.NewReader(frames)
	for {
		f, err := r.Next()
		switch {
		case err != nil:
			return "the guest ended before it was ready"
		case f.Kind == wire.KindReady:
			go io.Copy(io.Discard, frames)
			return ""
		case f.Kind == wire.KindTrouble:
			return "the guest: " + f.Text
		}
	}
}
