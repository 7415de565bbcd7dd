package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
	"github.com/modmatrix/modmatrix/results"
)

// binarySource is the fake source with what a prediction is made from.
type binarySource struct {
	*fakeSource
	symvers string // of all kernels
}

func (s *binarySource) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	tree, err := s.fakeSource.Fetch(ctx, t, report)
	if err != nil {
		return nil, err
	}
	own := filepath.Join(s.dir, t.Release)
	ko := kotest.Module{Name: "own", Vermagic: t.Release + " SMP modversions "}.Bytes()
	err = errors.Join(os.MkdirAll(own, 0o755), os.WriteFile(filepath.Join(own, "modules.dep"), []byte("own.ko:\n"), 0o644),
		os.WriteFile(filepath.Join(own, "own.ko"), ko, 0o644), os.WriteFile(filepath.Join(own, "Module.symvers"), []byte(s.symvers), 0o644))
	tree.Modules, tree.KDIR, tree.Mounts = own, "/usr/src/fake", []kernels.Mount{{Host: own, Guest: "/usr/src/fake"}}
	tree.Config = kconfig.Parse("CONFIG_MODVERSIONS=y\n")
	return tree, err
}

const symversText = "0x0000000a\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n0x0000000b\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n"

// newBinary is a fixture that is given a module built for old-amd64, whose version of _printk is crc.
func newBinary(t *testing.T, crc uint32, info ...string) *fixture {
	t.Helper()
	f := newFixture(t, "call pass\npoweroff\n")
	f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": &binarySource{f.source, symversText}} }
	f.spec.Module, f.spec.Prebuilt = "", []string{filepath.Join(t.TempDir(), "fifo.ko")}
	m := kotest.Module{Name: "fifo", Vermagic: "old-amd64 SMP modversions ", Info: append(info, "version=3.1"), Wants: []string{"_printk"},
		Versions: []kotest.Version{{Name: "module_layout", CRC: 10}, {Name: "_printk", CRC: crc}}}
	if err := os.WriteFile(f.spec.Prebuilt[0], m.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// through runs what f was given, and removes what had to be unpacked.
func (f *fixture) through(t *testing.T) *results.Results {
	t.Helper()
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Run(t.Context(), p)
	p.Close()
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return res
}

// said is what a record says of its only binary.
func said(rec results.Record) string {
	if len(rec.Predicted) != 1 {
		return fmt.Sprintf("%d predictions", len(rec.Predicted))
	}
	p := rec.Predicted[0]
	return fmt.Sprintf("%s %s %s %s", rec.Status, p.Predicted, p.Observed, p.Why)
}

func TestABinaryIsLoadedAsItIs(t *testing.T) {
	f := newBinary(t, 11)
	res := f.through(t)
	if f.builds.Load() != 0 {
		t.Error("something was built")
	}
	for i, want := range []string{"PASS taken taken it was built for this kernel, which exports all 1 symbols that it asks for",
		"PASS taken taken all 1 symbols that it asks for have the versions that it was built with"} {
		rec := res.Records[i]
		if said(rec) != want || rec.Timings.Build != 0 || rec.Artifacts.BuildLog != "" || rec.Cached {
			t.Errorf("%s: %s, built in %d ms, log %q\nwant %s", rec.Target.Release, said(rec), rec.Timings.Build, rec.Artifacts.BuildLog, want)
		}
	}
	m := res.Module
	if m.Name != "fifo" || m.Version != "3.1" || len(m.Binaries) != 1 || m.Binaries[0].Release != "old-amd64" || m.Binaries[0].File != "fifo.ko" || m.Git != nil || m.Claims != nil {
		t.Errorf("%+v", m)
	}
}

// What the kernel does decides, whatever was predicted of it.
func TestAPredictionThatIsWrongDecidesNothing(t *testing.T) {
	f := newBinary(t, 99)
	res := f.through(t)
	rec := res.Records[1]
	if !strings.HasPrefix(said(rec), "PASS refused taken symbol _printk has the version 0x0000000b, and it was built with 0x00000063") || !rec.Predicted[0].Wrong() {
		t.Error(said(rec))
	}
	if h, ok := res.Holds(); !ok || len(h.On) != 2 || len(h.Wrong) != 2 {
		t.Errorf("%+v", h)
	}
}

// A module of the kernel's that a binary depends on and that is not there is missing in that kernel: no infrastructure error.
func TestWhatABinaryLacksTheKernelSays(t *testing.T) {
	f := newBinary(t, 11, "depends=gone,own")
	res := f.through(t)
	if rec := res.Records[0]; rec.Status != results.Pass {
		t.Errorf("%s at %s: %s", rec.Status, rec.Stage, rec.Reason)
	}
}

// Another binary is another question; the same one elsewhere is not.
func TestABinaryIsKnownByWhatItHolds(t *testing.T) {
	f := newBinary(t, 11)
	f.through(t)
	f.spec.Resume = true
	moved := filepath.Join(t.TempDir(), "elsewhere.ko")
	if err := os.Rename(f.spec.Prebuilt[0], moved); err != nil {
		t.Fatal(err)
	}
	f.spec.Prebuilt[0] = moved
	f.through(t)
	f.spec.Prebuilt = newBinary(t, 12).spec.Prebuilt
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err = f.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "the module's source was ") {
		t.Errorf("another binary was taken for the same: %v", err)
	}
}

// What cannot be a binary is the caller's mistake, and nothing is left behind.
func TestBadBinariesAreRefused(t *testing.T) {
	f := newBinary(t, 11)
	for name, change := range map[string]func(*Spec){
		"no such file":   func(s *Spec) { s.Prebuilt = []string{"nowhere.ko"} },
		"no such folder": func(s *Spec) { s.Module = "nowhere" },
	} {
		spec := f.spec
		change(&spec)
		_, err := f.Plan(t.Context(), spec)
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
