package bisect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func TestMain(m *testing.M) {
	vmtest.MainWith(m, "../testdata/qemu")
}

// archive is a source of kernels 1.0 to 1.40, some of which it lacks.
type archive struct {
	dir     string // of every tree
	missing []int
	fetch   func(kernels.Target) error // before each is fetched; nil: all can be
}

const newest = 40

func kernel(minor int) kernels.Target {
	return kernels.Target{Release: fmt.Sprintf("1.%d-amd64", minor), Version: fmt.Sprintf("1.%d", minor), Arch: "x86_64", Flavour: "amd64", Source: "debian:all", Packages: []kernels.Package{{Name: "p"}}}
}

func (a *archive) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	var minor int
	if _, err := fmt.Sscanf(sel.Version, "1.%d", &minor); err != nil || minor > newest {
		return kernels.Resolution{}, fmt.Errorf("%w: %s", kernels.ErrNoMatch, sel)
	}
	return kernels.Resolution{Targets: []kernels.Target{kernel(minor)}}, nil
}

func (a *archive) Releases(context.Context, string) (res kernels.Resolution, err error) {
	for minor := range newest + 1 {
		t := kernel(minor)
		if slices.Contains(a.missing, minor) {
			res.Incomplete = append(res.Incomplete, &kernels.IncompleteError{Release: t.Release, Version: t.Version, Reason: "no headers"})
			continue
		}
		res.Targets = append(res.Targets, t)
	}
	return res, nil
}

func (a *archive) Fetch(_ context.Context, t kernels.Target, _ func(kernels.Progress)) (*kernels.Tree, error) {
	if a.fetch != nil {
		if err := a.fetch(t); err != nil {
			return nil, err
		}
	}
	return &kernels.Tree{Target: t, Dir: a.dir, Image: filepath.Join(a.dir, "vmlinuz"), Modules: a.dir, Digest: "sha256:" + t.Release}, nil
}

// fixture is a harness whose kernels, compiler and guests are fake.
type fixture struct {
	*harness.Harness
	*archive
	spec   harness.Spec
	breaks func(minor int) bool // on which kernels the module does not build
	builds atomic.Int32
	events []results.Event
}

// bisecting is a fixture in which the module builds on every kernel older than 1.BROKEN.
func bisecting(t *testing.T, broken int, missing ...int) *fixture {
	t.Helper()
	vmtest.Install(t, "call pass\npoweroff\n")
	dir := t.TempDir()
	for path, text := range map[string]string{"driver/Kbuild": "obj-m := fifo.o\n", "driver/fifo.c": "int fifo;\n", "kernel/vmlinuz": "image", "kernel/modules.dep": ""} {
		write(t, filepath.Join(dir, path), text)
	}
	f := &fixture{archive: &archive{dir: filepath.Join(dir, "kernel"), missing: missing}, breaks: func(minor int) bool { return minor >= broken }}
	var err error
	f.Harness, err = harness.New(harness.Options{CacheDir: filepath.Join(dir, "cache"), Events: func(e results.Event) { f.events = append(f.events, e) }, Fakes: harness.Fakes{
		Sources: map[string]harness.Source{"debian": f.archive}, Build: f.build,
		Compile: func(_ context.Context, _, out string) error { return os.WriteFile(out, []byte("suite"), 0o755) },
		Digest:  func(_ context.Context, dir string) (string, error) { return "sha256:" + store.Digest(dir), nil },
		Base: func(_ context.Context, opt initramfs.Options) error {
			return os.WriteFile(opt.Out, []byte("base"), 0o644)
		},
		Probe: func(context.Context, vm.ProbeConfig) (vm.Verdict, error) {
			return vm.Verdict{Accel: vm.Accel{Name: "tcg", CPU: "max"}}, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.spec = harness.Spec{Module: filepath.Join(dir, "driver"), Kernels: selectors("debian:x@1.0", "debian:x@1.40"), Suites: []string{harness.Lifecycle}, Out: filepath.Join(dir, "out")}
	return f
}

func (f *fixture) build(_ context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
	f.builds.Add(1)
	var minor int
	fmt.Sscanf(r.Tree.Target.Version, "1.%d", &minor)
	if f.breaks(minor) {
		return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: implicit declaration of function 'gone'"}
	}
	kbuildFile, err := os.ReadFile(filepath.Join(r.Top, "Kbuild"))
	if err != nil {
		return nil, err
	}
	name := string(bytes.TrimSuffix(bytes.TrimPrefix(kbuildFile, []byte("obj-m := ")), []byte(".o\n")))
	path := filepath.Join(r.Dir, name+".ko")
	return &kbuild.Artifact{Modules: []kbuild.Module{{Name: name, Path: path, Version: "1.0"}}}, os.WriteFile(path, []byte("ko"), 0o644)
}

// run is one run of the fixture's kernels, not a bisection.
func (f *fixture) run(t *testing.T) {
	t.Helper()
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) notices() string {
	var all strings.Builder
	for _, e := range f.events {
		if e.Kind == results.EventNotice {
			fmt.Fprintln(&all, e.Text)
		}
	}
	return all.String()
}

func selectors(texts ...string) (all []kernels.Selector) {
	for _, text := range texts {
		sel, err := kernels.ParseSelector(text)
		if err != nil {
			panic(err)
		}
		all = append(all, sel)
	}
	return all
}

// selector parses a text; nil where there is none.
func selector(text string) *kernels.Selector {
	if text == "" {
		return nil
	}
	return &selectors(text)[0]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
