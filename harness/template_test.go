package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// frozenScript is a kernel that can be frozen, and whose clones pass.
const frozenScript = "[share=on] call ready\n[-incoming] call pass\n[-incoming] poweroff\n"

// withChannels returns the fixture's kernels the modules that a template needs.
func (f *fixture) withChannels(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{"modules.dep": "virtio_pci.ko:\nvirtio_blk.ko:\n", "virtio_pci.ko": "pci", "virtio_blk.ko": "blk"} {
		if err := os.WriteFile(filepath.Join(f.source.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.spec.Kernels = Selectors("debian:old")
}

// entries lists what the store has of a kind.
func (f *fixture) entries(t *testing.T, kind string) []string {
	t.Helper()
	all, err := f.store.List()
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, e := range all {
		if e.Kind == kind {
			dirs = append(dirs, filepath.Join(f.store.Dir(), kind, e.ID))
		}
	}
	return dirs
}

// notices joins what was reported to the user.
func (f *fixture) notices() string {
	var b strings.Builder
	for _, e := range f.events {
		if e.Kind == results.EventNotice {
			fmt.Fprintln(&b, e.Text)
		}
	}
	return b.String()
}

func TestClonesOfATemplate(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	const want = "old-amd64 lifecycle PASS@"
	for _, again := range []struct {
		noCache, cached bool
	}{{false, false}, {false, true}, {true, false}} {
		f.spec.NoCache = again.noCache
		res, err := f.run(t, t.Context())
		if err != nil || summary(res) != want {
			t.Fatalf("%+v: %v, %s\n%s", again, err, summary(res), res.Records[0].Reason)
		}
		if rec := res.Records[0]; rec.Cached != again.cached || rec.Timings.Restore == 0 || rec.Artifacts.Console == "" {
			t.Errorf("%+v: %+v", again, rec)
		}
	}
	if n := len(f.entries(t, templateKind)); n != 1 {
		t.Errorf("%d templates, want 1", n)
	}
	if text := f.notices(); strings.Contains(text, "frozen") {
		t.Errorf("notices: %s", text)
	}
}

func TestAChangedModuleIsNotTakenFromTheCache(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	for i, want := range []bool{false, true, false} {
		if i == 2 {
			if err := os.WriteFile(filepath.Join(f.spec.Module, "fifo.c"), []byte("int other;\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The fake compiler makes the same .ko of any source, so only the build is new.
		if builds := int(f.builds.Load()); builds != 1+i/2 {
			t.Errorf("run %d: %d builds", i, builds)
		}
		if got := res.Records[0].Cached; i < 2 && got != want {
			t.Errorf("run %d: cached %v, want %v", i, got, want)
		}
	}
}

func TestDamagedTemplateIsMadeAnew(t *testing.T) {
	for _, file := range []string{"state", "ram", "template.json"} {
		t.Run(file, func(t *testing.T) {
			f := newFixture(t, frozenScript)
			f.withChannels(t)
			f.spec.NoCache = true
			if _, err := f.run(t, t.Context()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(f.entries(t, templateKind)[0], file)
			flipByte(t, path)
			res, err := f.run(t, t.Context())
			if err != nil || summary(res) != "old-amd64 lifecycle PASS@" || res.Records[0].Timings.Restore == 0 {
				t.Errorf("%v, %s, %+v; notices: %s", err, summary(res), res.Records[0], f.notices())
			}
		})
	}
}

// What no guest is cloned from is not read: a cell that is known holds, whatever became of its template since.
func TestATemplateIsReadForAGuestOnly(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	run := func(cached bool) {
		t.Helper()
		res, err := f.run(t, t.Context())
		if err != nil || summary(res) != "old-amd64 lifecycle PASS@" || res.Records[0].Cached != cached {
			t.Fatalf("%v, %s, %+v", err, summary(res), res.Records[0])
		}
	}
	run(false)
	ram := filepath.Join(f.entries(t, templateKind)[0], "ram")
	flipByte(t, ram)
	is := func() byte {
		t.Helper()
		b, err := os.ReadFile(ram)
		if err != nil {
			t.Fatal(err)
		}
		return b[0]
	}
	damaged := is()
	if run(true); is() != damaged {
		t.Error("the template of a cell that is known was made anew")
	}
	f.spec.NoCache = true
	if run(false); is() == damaged {
		t.Error("a guest is a clone of a damaged template")
	}
}

// flipByte damages the file where there is something in it.
func flipByte(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var b [1]byte
	if _, err := file.ReadAt(b[:], 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := file.WriteAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
}

func TestAKernelThatCannotBeFrozenBoots(t *testing.T) {
	// Its template never gets ready: the guest complains, as one without a disk does.
	f := newFixture(t, "[share=on] call complain\n[share=on] poweroff\n[!share=on] call pass\n[!share=on] poweroff\n")
	f.withChannels(t)
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle PASS@" || res.Records[0].Timings.Restore != 0 {
		t.Errorf("%v, %s", err, summary(res))
	}
	if text := f.notices(); !strings.Contains(text, "has no template") || !strings.Contains(text, "no disk") {
		t.Errorf("notices: %s", text)
	}
}

func TestAKernelThatNeverBootsIsMissOnce(t *testing.T) {
	f := newFixture(t, "console Kernel panic - not syncing: no init found\nreset\n")
	f.withChannels(t)
	f.spec.Kernels = Selectors("debian:old")
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle MISS@boot boot-failed" {
		t.Errorf("%v, %s", err, summary(res))
	}
	if reason := res.Records[0].Reason; !strings.Contains(reason, "no init found") {
		t.Errorf("reason %q", reason)
	}
}

// The probe's guest has no drive, and so its init complains and ends. That it could is all that was asked.
func TestProbeTakesAComplaintForLife(t *testing.T) {
	if unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) != nil {
		t.Skip("no /dev/kvm to be tried")
	}
	f := newFixture(t, "[accel kvm] call complain\n[accel kvm] poweroff\n[!accel kvm] call pass\n[!accel kvm] poweroff\n")
	f.probe = vm.Probe
	f.spec.Kernels = Selectors("debian:old")
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Run.Host.Accelerator; got != "kvm" {
		t.Errorf("accelerator %q: %s", got, f.notices())
	}
}

// A kernel is being frozen while the compiler runs. Where the module does not build, nobody needs the template: its
// guest must be gone when the run is, and so must what it had made.
func TestABrokenModuleLeavesNoTemplateBehind(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	f := newFixture(t, "console it takes its time\ncall stays "+started+"\n")
	f.withChannels(t)
	f.make = func(ctx context.Context, _ kbuild.Request) (*kbuild.Artifact, error) {
		for ctx.Err() == nil { // until the guest is under way
			if _, err := os.Stat(started); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: no"}
	}
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle FAIL@build build-error" {
		t.Fatalf("%v, %s", err, summary(res))
	}
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), templateKind, ".tmp.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
