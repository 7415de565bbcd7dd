package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// Each kernel boots in the emulator of its architecture, from the image that was built for it; the run's head speaks of this machine's.
func TestGuestsOfTwoArchitectures(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	var mu sync.Mutex // two architectures are probed at once
	var built, probed []string
	note := func(list *[]string, machine string) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, machine)
	}
	f.base = func(_ context.Context, opt initramfs.Options) error {
		note(&built, opt.Arch)
		return os.WriteFile(opt.Out, []byte("base of "+opt.Arch), 0o644)
	}
	f.baseDigest = func(ctx context.Context, _, machine string) (string, error) { return digest(ctx, machine) }
	f.probe = func(_ context.Context, c vm.ProbeConfig) (vm.Verdict, error) {
		note(&probed, c.Arch)
		return vm.Verdict{Accel: vm.Accel{Name: "tcg", CPU: "that of " + c.Arch}, QEMU: "7.2.22"}, nil
	}
	f.spec.Jobs, f.spec.Kernels = 1, Selectors("debian:old", "debian:young%riscv64")
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(res); strings.Count(got, " PASS@") != 2 {
		t.Error(got)
	}
	for what, list := range map[string][]string{"built": built, "probed": probed} {
		slices.Sort(list)
		if fmt.Sprint(list) != "[riscv64 x86_64]" {
			t.Errorf("%s for %v", what, list)
		}
	}
	if want := "that of " + leading([]string{"x86_64", "riscv64"}); res.Run.Host.CPUModel != want {
		t.Errorf("the run's processor is %s, want %s", res.Run.Host.CPUModel, want)
	}
}

func TestLeading(t *testing.T) {
	host := vm.HostArch()
	for want, archs := range map[string][]string{host: {"other", host}, "other": {"other", "third"}} {
		if got := leading(archs); got != want {
			t.Errorf("%s of %v", got, archs)
		}
	}
}

// Where a guest could not report, its kernel is not blamed for silence: the driver that is missing is named.
func TestAKernelWithoutTheDriverOfTheLines(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.Kernels = Selectors("debian:young%s390x")
	res, err := f.run(t, t.Context())
	if err != nil || len(res.Records) != 1 || res.Records[0].Status != results.Error || !strings.Contains(res.Records[0].Reason, "virtio_console") {
		t.Errorf("%+v, %v", res, err)
	}
}

// Devices that one architecture has no socket for leave its kernels out, with the reason; the others are asked.
func TestPlugsWithoutASocket(t *testing.T) {
	f := newFixture(t, "poweroff\n")
	f.spec.Plugs = []string{"card=edu"}
	qemus := emulators{"s390x": {version: "7.2.22"}, "x86_64": {version: "7.2.22"}}
	if err := tryDevices(t.Context(), f.spec, qemus); err != nil || !strings.Contains(qemus["s390x"].unfit, "QEMU has no PCI Express ports for it") || qemus["x86_64"].unfit != "" {
		t.Errorf("%+v, %v", qemus, err)
	}
	r := &run{plan: &Plan{Spec: f.spec}, records: &records{qemus: qemus}}
	if why, err := r.lacks(&kernels.Tree{Target: kernels.Target{Arch: "s390x"}}); why == "" || err != nil {
		t.Errorf("%q, %v", why, err)
	}
}
