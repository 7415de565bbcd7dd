package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == playWord {
		playHelper(os.Args[2], os.Args[3])
		return
	}
	slowtest.OnMemory()
	vmtest.MainWith(m, "./testdata/qemu")
}

// fakeSource has a kernel for every name, and none that boots.
type fakeSource struct {
	dir   string
	fetch func(context.Context, kernels.Target) error
}

func (s *fakeSource) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	switch sel.Name {
	case "nothing":
		return kernels.Resolution{}, fmt.Errorf("%w: no %s", kernels.ErrNoMatch, sel.Name)
	case "offline":
		return kernels.Resolution{}, fmt.Errorf("%w: no network", kernels.ErrUnavailable)
	}
	a := sel.Architecture()
	if sel.Name == "pc" && a.Kbuild != "x86" {
		return kernels.Resolution{}, fmt.Errorf("%w: debian:pc has no kernel of %s", kernels.ErrNoArch, a.Debian)
	}
	t := kernels.Target{Release: sel.Name + "-" + a.Flavour, Version: map[string]string{"old": "1.0", "young": "2.0"}[sel.Name], Arch: a.Name, Flavour: a.Flavour, Source: "debian:" + sel.Name}
	return kernels.Resolution{Targets: []kernels.Target{t}}, nil
}

func (s *fakeSource) Fetch(ctx context.Context, t kernels.Target, _ func(kernels.Progress)) (*kernels.Tree, error) {
	if s.fetch != nil {
		if err := s.fetch(ctx, t); err != nil {
			return nil, err
		}
	}
	return &kernels.Tree{Target: t, Dir: s.dir, Image: filepath.Join(s.dir, "vmlinuz"), Modules: s.dir, Digest: "sha256:" + t.Release}, nil
}

// fixture is a harness in which everything but the harness is fake.
type fixture struct {
	*Harness
	source *fakeSource
	spec   Spec
	builds atomic.Int32
	events []results.Event
}

func newFixture(t *testing.T, script string) *fixture {
	t.Helper()
	vmtest.Install(t, script)
	dir := t.TempDir()
	module := filepath.Join(dir, "driver")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(module, "Kbuild"), "obj-m := fifo.o\n")
	write(filepath.Join(module, "fifo.c"), "int fifo;\n")
	write(filepath.Join(dir, "kernel", "vmlinuz"), "image")
	write(filepath.Join(dir, "kernel", "modules.dep"), "")

	f := &fixture{source: &fakeSource{dir: filepath.Join(dir, "kernel")}}
	h, err := New(Options{CacheDir: filepath.Join(dir, "cache"), Events: func(e results.Event) { f.events = append(f.events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	h.sources = func(Spec) map[string]Source { return map[string]Source{"debian": f.source} }
	h.make = func(_ context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		f.builds.Add(1)
		path := filepath.Join(r.Dir, "fifo.ko")
		return &kbuild.Artifact{Modules: []kbuild.Module{{Name: "fifo", Path: path, Version: "1.0"}}}, os.WriteFile(path, []byte("ko"), 0o644)
	}
	h.compile = func(_ initramfs.Suites, _ context.Context, _, out string) error {
		return os.WriteFile(out, []byte("suite"), 0o755)
	}
	h.probe = func(context.Context, vm.ProbeConfig) (vm.Verdict, error) {
		return vm.Verdict{Accel: vm.Accel{Name: "tcg", CPU: "max"}}, nil
	}
	h.alone = func(*cell, context.Context, *template, time.Duration) ([]string, error) { return nil, nil }
	h.suiteDigest = func(s initramfs.Suites, ctx context.Context, dir string) (string, error) {
		sum, err := digest(ctx, dir)
		return "sha256:" + store.Digest(sum, s.Arch.Name), err
	}
	h.baseDigest = func(ctx context.Context, dir, _ string) (string, error) { return digest(ctx, dir) }
	h.base = func(_ context.Context, opt initramfs.Options) error {
		return os.WriteFile(opt.Out, []byte("base"), 0o644)
	}
	f.Harness = h
	f.spec = Spec{Module: module, Kernels: Selectors("debian:old", "debian:young"), Suites: []string{Lifecycle}, Out: filepath.Join(dir, "out")}
	return f
}

func (f *fixture) run(t *testing.T, ctx context.Context) (*results.Results, error) {
	t.Helper()
	p, err := f.Plan(ctx, f.spec)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Run(ctx, p)
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return res, err
}

func summary(res *results.Results) string {
	var b strings.Builder
	for _, rec := range res.Records {
		fmt.Fprintf(&b, "%s %s %s@%s %s\n", rec.Target.Release, rec.Suite, rec.Status, rec.Stage, rec.Code)
	}
	return strings.TrimSpace(b.String())
}

// digest stands for that of a source, without the go command.
func digest(_ context.Context, dir string) (string, error) { return "sha256:" + store.Digest(dir), nil }

// Selectors parses texts that are known to be right.
func Selectors(texts ...string) (all []kernels.Selector) {
	for _, text := range texts {
		sel, err := kernels.ParseSelector(text)
		if err != nil {
			panic(err)
		}
		all = append(all, sel)
	}
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
