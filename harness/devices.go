package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// A driver whose hardware is not there loads, and proves little: its probe is never called. Stand-ins give it some: devices
// that QEMU emulates, which are part of the machine, and the kernel's own modules that simulate some (gpio-sim, netdevsim,
// mac80211_hwsim …), which are loaded before the module under test and belong to the kernel.

// tryDevices asks QEMU of each architecture for the plan's stand-ins before anything is built for them. Where none makes a machine with
// them, that is a mistake of the user's; one that does not leaves its kernels out.
func tryDevices(ctx context.Context, s Spec, qemus emulators) error {
	var first error
	takes := false
	for _, machine := range qemus.archs() {
		q := qemus[machine]
		if q.err != nil {
			continue
		}
		err := vm.TryDevices(ctx, machine, s.Devices, plugsOf(s.Plugs))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			q.unfit = fmt.Sprintf("QEMU makes no machine of %s with the stand-in devices: %v", debianWord(machine), err)
			qemus[machine], first = q, cmp.Or(first, fmt.Errorf("QEMU makes no machine with the stand-in devices: %w", err))
		}
		takes = takes || err == nil
	}
	if first != nil && !takes {
		return &UsageError{first}
	}
	return nil
}

// lacks is the condition under which a kernel cannot be asked: it has not the modules that the module's stand-ins need.
func (r *run) lacks(tree *kernels.Tree) (condition string, err error) {
	if r.plan.Spec.BuildOnly {
		return "", nil
	}
	if unfit := r.records.qemus[tree.Target.Arch].unfit; unfit != "" && !isHere(tree.Target) {
		return unfit, nil
	}
	var missing []string
	for _, name := range r.kernelModules(tree.Target) {
		_, err := tree.Closure(name)
		if none := (*kernels.NoModuleError)(nil); errors.As(err, &none) {
			missing = append(missing, name)
		} else if err != nil {
			return "", err
		}
	}
	switch {
	case len(missing) == 0 && isHere(tree.Target):
		return "", nil
	case len(missing) == 0:
		return plugsLack(tree, r.plan.Spec.Plugs)
	case slices.Contains(r.plan.Spec.Modules, missing[0]):
		return "this kernel has no " + strings.Join(missing, ", no ") + " (guest.modules)", nil
	}
	return "this kernel has no " + missing[0] + ", which the USB devices to plug in need (guest.plug, --host-device)", nil
}

func (r *run) kernelModules(t kernels.Target) []string {
	if isHere(t) {
		return r.plan.Spec.Modules
	}
	needed := plugModules(r.plan.Spec.Plugs)
	if r.plan.Spec.handsUSB() {
		needed = []string{usbController}
	}
	return slices.Concat(r.plan.Spec.Modules, needed)
}

const (
	// pullTime is how long a guest may take to let go of a device: its driver's remove() runs in that time.
	pullTime = 30 * time.Second
	// maxAsks bounds a guest's requests for devices; maxWaiting, those at once. Our suites wait for each answer.
	maxAsks    = 10_000
	maxWaiting = 16
)

func plugsOf(rows []string) []vm.Plug {
	return listOf(rows, func(row string) vm.Plug {
		name, device, _ := strings.Cut(row, "=")
		return vm.Plug{Name: name, Row: device}
	})
}

// plugsLack says what a kernel has not that the plugs need; empty: nothing.
func plugsLack(tree *kernels.Tree, rows []string) (condition string, err error) {
	if tree.DotFile == "" || !slices.ContainsFunc(plugsOf(rows), vm.Plug.NeedsPCI) {
		return "", nil
	}
	config, err := kconfig.Open(tree.DotFile)
	if err != nil || config.Value("HOTPLUG_PCI_ACPI") == "y" || config.Value("HOTPLUG_PCI_PCIE") == "y" {
		return "", err
	}
	return "this kernel lets no PCI device be plugged in: neither CONFIG_HOTPLUG_PCI_ACPI nor CONFIG_HOTPLUG_PCI_PCIE is set (guest.plug)", nil
}

const usbController = "xhci_pci"

// plugModules are the kernel's own modules without which nothing can be plugged in.
func plugModules(rows []string) []string {
	if slices.ContainsFunc(plugsOf(rows), vm.Plug.NeedsUSB) {
		return []string{usbController}
	}
	return nil
}

// plugger is a guest whose devices come and go; *vm.Process is one.
type plugger interface {
	Plug(ctx context.Context, name string) error
	Unplug(ctx context.Context, name string, patience time.Duration) error
	Send(b []byte) error
}

// plugServer does what one guest asks for in the way of devices, one after the other, and answers. A guest is a stranger:
// it gets what was declared and nothing else, and one that asks faster than it listens is not listened to.
type plugServer struct {
	asks chan wire.Frame
	stop context.CancelFunc
	done chan struct{}
}

func newPlugServer(ctx context.Context, guest plugger, nonce string) *plugServer {
	ctx, stop := context.WithCancel(ctx)
	s := &plugServer{asks: make(chan wire.Frame, maxWaiting), stop: stop, done: make(chan struct{})}
	go s.serve(ctx, guest, nonce)
	return s
}

// ask takes a frame; other kinds are ignored. It never waits.
func (s *plugServer) ask(f wire.Frame) {
	if f.Kind != wire.KindPlug && f.Kind != wire.KindUnplug {
		return
	}
	select {
	case s.asks <- f:
	default:
	}
}

func (s *plugServer) close() {
	s.stop()
	<-s.done
}

func (s *plugServer) serve(ctx context.Context, guest plugger, nonce string) {
	defer close(s.done)
	for n := 1; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
			return
		case f := <-s.asks:
			answer := wire.Frame{Kind: wire.KindAnswer, Count: f.Count}
			if err := perform(ctx, guest, f, n); err != nil {
				answer.Text = err.Error()
			}
			if wire.NewWriter(guestWriter{guest}, nonce).Write(answer) != nil {
				return // it does not listen, so no answer reaches it
			}
		}
	}
}

func perform(ctx context.Context, guest plugger, f wire.Frame, n int) error {
	switch {
	case n > maxAsks:
		return fmt.Errorf("devices came and went %d times, and that is enough", maxAsks)
	case f.Kind == wire.KindPlug:
		return guest.Plug(ctx, f.Text)
	}
	return guest.Unplug(ctx, f.Text, pullTime)
}

type guestWriter struct{ plugger }

func (w guestWriter) Write(b []byte) (int, error) { return len(b), w.Send(b) }
