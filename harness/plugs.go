package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

const (
	// pullTime is how long a guest may take to let go of a device: its driver's remove() runs in that time.
	pullTime = 30 * time.Second
	// maxAsks is how often one guest may ask for a device to come or go; maxWaiting, how many of that may wait their
	// turn. Ours asks for one, and waits for the answer.
	maxAsks    = 10_000
	maxWaiting = 16
)

// plugsOf are the declared devices as the machine has them, each "NAME=ROW".
func plugsOf(rows []string) []vm.Plug {
	var plugs []vm.Plug
	for _, row := range rows {
		name, device, _ := strings.Cut(row, "=")
		plugs = append(plugs, vm.Plug{Name: name, Row: device})
	}
	return plugs
}

// plugNames are what the guest may ask for.
func plugNames(rows []string) []string {
	var names []string
	for _, p := range plugsOf(rows) {
		names = append(names, p.Name)
	}
	return names
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

// plugModules are the kernel's own modules without which nothing can be plugged in.
func plugModules(rows []string) []string {
	if slices.ContainsFunc(plugsOf(rows), vm.Plug.NeedsUSB) {
		return []string{"xhci_pci"}
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

// close ends it, whatever it is doing.
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
