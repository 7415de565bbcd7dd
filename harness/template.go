package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// channels are the kernel's own modules that bring a clone its payload. Nothing of the module under test and of what it
// depends on is ever in a template.
var channels = []string{"virtio_pci", "virtio_blk"}

// readyWord stands in the command line of every template in place of a nonce. It proves nothing, and need not: what a
// clone says carries the nonce of its own plan.
const readyWord = "template"

// frozen is the template of one kernel, made or found once in a run and shared by all its cells.
type frozen struct {
	once    sync.Once
	machine vm.Machine      // what it was made from; a clone differs in its drive and its ports
	dir     string          // in the store; empty when there is no template
	fresh   bool            // it was made in this run
	console []byte          // what the kernel said before it was frozen
	failed  *judge.Evidence // the kernel alone never came up
	why     string          // there is no template, for this reason
	told    sync.Once       // the user knows
	err     error           // trouble of ours

	read  sync.Once
	whole *frozen // this one, if its template was read and is whole, else the one that is used in its place; see sound

	mu    sync.Mutex
	spare *live // a clone that stands by; nil for none
}

// template gives the frozen guest of tree's kernel. It boots the kernel only where nobody did before.
func (r *run) template(ctx context.Context, tree *kernels.Tree) *frozen {
	r.mu.Lock()
	f, ok := r.frozen[frozenKey(tree)]
	if !ok {
		f = &frozen{}
		r.frozen[frozenKey(tree)] = f
	}
	r.mu.Unlock()
	f.once.Do(func() { r.freeze(ctx, tree, f) })
	return f
}

func frozenKey(tree *kernels.Tree) string { return tree.Digest + tree.Image }

func (r *run) freeze(ctx context.Context, tree *kernels.Tree, f *frozen) {
	modules, unfit := ChannelModules(tree)
	image, err := r.templateImage(ctx, tree, modules)
	if err != nil {
		f.err = err
		return
	}
	verdict, err := r.accel(tree.Image, image)
	if err != nil {
		f.err = err
		return
	}
	spec := r.plan.Spec
	f.machine = vm.Machine{Arch: tree.Target.Arch, Kernel: tree.Image, Initrd: image, MemoryMiB: guestMiB(spec, tree.Target), CPUs: spec.CPUs,
		Devices: spec.Devices, Plugs: plugsOf(spec.Plugs), Accel: verdict.Accel, Args: append(kernelArgs(tree), wire.NonceArg+readyWord)}
	if unfit != nil {
		f.why = unfit.Error()
		return
	}
	for range 2 { // a kernel that fell over boots again, once
		f.failed = nil
		if f.dir, f.fresh, err = r.findOrMake(ctx, tree, f); err == nil || f.failed == nil || f.failed.End.Late != "" {
			break
		}
	}
	if err == nil {
		f.console, err = os.ReadFile(filepath.Join(f.dir, vm.TemplateConsole))
	}
	if err != nil && f.failed == nil {
		f.dir, f.why = "", err.Error()
	}
}

// sound gives f if its template is whole, and else one that is made anew. All of the template is read for it, once in a
// run, which takes tens of milliseconds, so it is asked for where there will be a guest. Nil is sound.
func (r *run) sound(ctx context.Context, tree *kernels.Tree, f *frozen) *frozen {
	if f == nil {
		return nil
	}
	f.read.Do(func() {
		f.whole = f
		if f.dir == "" || f.fresh {
			return
		}
		err := vm.VerifyTemplate(f.dir)
		switch {
		case err == nil:
			return
		case errors.Is(err, vm.ErrTemplate) && r.dropTemplate(f) == nil:
			anew := &frozen{}
			r.freeze(ctx, tree, anew)
			f.whole = r.sound(ctx, tree, anew)
		default:
			f.whole = &frozen{machine: f.machine, why: err.Error()}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.frozen[frozenKey(tree)] = f.whole
	})
	return f.whole
}

// ChannelModules are the files of the channels' modules, in load order, for a template of tree's kernel. There are none
// where they are built in; an error says that the kernel cannot be frozen.
func ChannelModules(tree *kernels.Tree) ([]initramfs.File, error) {
	paths, err := tree.Closure(channels...)
	if err != nil {
		return nil, err
	}
	var files []initramfs.File
	for i, path := range paths {
		data, err := kernels.ReadModule(path)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(filepath.Base(path), ".ko")
		files = append(files, initramfs.File{Guest: fmt.Sprintf("%s/%02d-%s.ko", wire.BaseDir, i, name), Data: data, Mode: 0o644})
	}
	return files, nil
}

// templateImage is the base image with the channels' modules of one kernel behind it.
func (r *run) templateImage(ctx context.Context, tree *kernels.Tree, modules []initramfs.File) (string, error) {
	base, err := r.baseImage()
	if err != nil {
		return "", err
	}
	id := store.Digest(filepath.Base(filepath.Dir(base)), tree.Digest)
	dir, _, err := r.store.Fill(ctx, "images", id, func(dir string) error {
		if err := title(dir, "template image for "+Label(tree.Target)); err != nil {
			return err
		}
		return initramfs.WriteTemplateImage(filepath.Join(dir, "image.cpio"), base, modules)
	})
	return filepath.Join(dir, "image.cpio"), err
}

// findOrMake gives the folder of a template, and whether it was made just now.
func (r *run) findOrMake(ctx context.Context, tree *kernels.Tree, f *frozen) (dir string, made bool, err error) {
	key, err := r.templateKey(f)
	if err != nil {
		return "", false, err
	}
	if err := r.knownUnsaved(key, time.Now()); err != nil {
		return "", false, err
	}
	dir, hit, err := r.store.Fill(ctx, templateKind, key, func(dir string) error {
		if err := title(dir, "template of "+Label(tree.Target)); err != nil {
			return err
		}
		return r.makeTemplate(ctx, dir, tree, f)
	})
	r.noteUnsaved(ctx, tree, key, err)
	return dir, !hit, err
}

const templateKind = "templates"

func (r *run) templateKey(f *frozen) (string, error) {
	m := f.machine
	m.Drive = r.emptyDrive()
	key, err := m.TemplateKey(r.qemu)
	return strings.TrimPrefix(key, "sha256:"), err
}

func (r *run) dropTemplate(f *frozen) error {
	key, err := r.templateKey(f)
	if err != nil {
		return err
	}
	return r.store.Remove(store.Entry{Kind: templateKind, ID: key})
}

// emptyDrive is the drive of every template: nothing on it yet.
func (r *run) emptyDrive() string { return filepath.Join(r.work, "empty.drive") }

// makeTemplate boots the kernel, waits until its init is ready for a payload, and freezes it there.
func (r *run) makeTemplate(ctx context.Context, dir string, tree *kernels.Tree, f *frozen) error {
	if err := r.cpu.acquire(ctx, r.ahead(Label(tree.Target))); err != nil {
		return err
	}
	defer r.cpu.release()
	m := f.machine
	m.Drive = r.emptyDrive()
	frames, report := io.Pipe()
	log := &vm.BoundedLog{}
	m.Report, m.Console = report, log
	p, err := m.StartTemplate(ctx, dir)
	if err != nil {
		return err
	}
	defer p.Wait()
	defer frames.Close()
	defer p.Kill()
	ready := make(chan string, 1)
	go func() { ready <- waitReady(frames) }()
	limit := time.NewTimer(r.deadlines(tree.Target).boot)
	defer limit.Stop()
	select {
	case trouble := <-ready:
		if trouble != "" {
			return errors.New(trouble)
		}
		return p.Save(ctx)
	case <-p.Done():
	case <-limit.C:
		p.Kill()
	case <-ctx.Done():
		return ctx.Err()
	}
	out, err := p.Wait()
	if err != nil {
		return err
	}
	f.failed, f.console = r.neverReady(tree, out, log.Bytes()), log.Bytes()
	return errors.New("the kernel never came up")
}

// neverReady is the evidence of a kernel that ended with log before its init was ready.
func (r *run) neverReady(tree *kernels.Tree, out vm.Outcome, log []byte) *judge.Evidence {
	end := judge.Ending{Reason: string(out.Reason), Stderr: judge.LastLine(out.Stderr)}
	if out.Reason == vm.HostKilled {
		end.Late, end.Seconds = results.StageBoot, int(r.deadlines(tree.Target).boot.Seconds())
	}
	return &judge.Evidence{Guest: judge.NewGuest(""), End: end, Tail: judge.Tail(log, 4<<10)}
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

// title says in an entry of the store what it is.
func title(dir, text string) error {
	return os.WriteFile(filepath.Join(dir, store.TitleFile), []byte(text), 0o644)
}
