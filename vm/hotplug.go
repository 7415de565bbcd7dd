package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

// Plug is an emulated device that is absent at boot: Process.Plug adds it to the running guest, Process.Unplug removes it. The
// machine has a free socket for each, so that a restored guest can get even devices whose state QEMU cannot save.
type Plug struct {
	Name string // what the guest calls it
	Row  string // as CheckDevice takes it, without an id
}

// MaxPlugs is how many devices a machine may declare: each on PCI takes a port, with 4 of the 64 KiB of I/O addresses.
const MaxPlugs = 8

// The ids that QEMU knows our sockets and devices by: no two of them can be the same.
const (
	plugPrefix = "plug-" // and the name: the device
	portPrefix = "port-" // and the name: its own PCI Express port
	usbID      = "plugs" // the USB controller of all
)

var plugName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// NeedsUSB reports whether p is plugged into the machine's own USB controller, for which the guest needs xhci_pci.
func (p Plug) NeedsUSB() bool {
	name, _, _ := strings.Cut(p.Row, ",")
	return !p.hasOption("bus") && strings.HasPrefix(name, "usb-") && name != "usb-ehci" // a controller, on PCI
}

// NeedsPCI reports whether p is plugged into a PCI Express port, for which the guest's kernel needs PCI hotplug.
func (p Plug) NeedsPCI() bool { return !p.hasOption("bus") && !p.NeedsUSB() }

func (p Plug) hasOption(key string) bool {
	_, options, _ := strings.Cut(p.Row, ",")
	for option := range strings.SplitSeq(options, ",") {
		if name, _, _ := strings.Cut(option, "="); strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// Check says in one line what is wrong with p, without asking QEMU.
func (p Plug) Check() error {
	if !plugName.MatchString(p.Name) {
		return fmt.Errorf("%q is no name for a device: up to 32 letters, digits, _ and -", p.Name)
	}
	if err := CheckDevice(p.Row); err != nil {
		return err
	}
	if p.hasOption("id") {
		return fmt.Errorf("device %q: leave the id out: its name is %s", p.Row, p.Name)
	}
	return nil
}

func (p Plug) row() string {
	bus := "" // its row names one
	switch {
	case p.NeedsUSB():
		bus = ",bus=" + usbID + ".0"
	case p.NeedsPCI():
		bus = ",bus=" + portPrefix + p.Name
	}
	return p.Row + ",id=" + plugPrefix + p.Name + bus
}

func (m *Machine) sockets() (args arguments) {
	usb := m.HostUSB
	for i, p := range m.Plugs {
		usb = usb || p.NeedsUSB()
		if p.NeedsPCI() { // a chassis of its own: the kernel names slots by it (Linux drivers/pci/slot.c)
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=%s%s,chassis=%d", portPrefix, p.Name, i+1))
		}
	}
	if usb {
		args = append(args, "-device", fmt.Sprintf("qemu-xhci,id=%s,p2=%d,p3=%[2]d", usbID, MaxPlugs))
	}
	return args
}

func (m *Machine) checkPlugs() error {
	if len(m.Plugs) > MaxPlugs {
		return fmt.Errorf("%d devices to be plugged in: at most %d can be", len(m.Plugs), MaxPlugs)
	}
	names := map[string]bool{}
	for _, p := range m.Plugs {
		if err := p.Check(); err != nil {
			return err
		}
		if err := m.takesPlug(p); err != nil {
			return err
		}
		if names[p.Name] {
			return fmt.Errorf("two devices to be plugged in are named %s", p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

// takesPlug says why the machine has no socket for p.
func (m *Machine) takesPlug(p Plug) error {
	switch q := m.qemu(); {
	case p.NeedsUSB() && q.NoUSB != "":
		return fmt.Errorf("%s (%s): a guest of %s has no USB: %s", p.Name, p.Row, m.Arch, q.NoUSB)
	case p.NeedsPCI() && q.NoPlug != "":
		return fmt.Errorf("%s (%s): no PCI device can be plugged into a guest of %s: %s", p.Name, p.Row, m.Arch, q.NoPlug)
	}
	return nil
}

func (m *Machine) declared(name string) (Plug, error) {
	if i := slices.IndexFunc(m.Plugs, func(p Plug) bool { return p.Name == name }); i >= 0 {
		return m.Plugs[i], nil
	}
	return Plug{}, fmt.Errorf("no device named %.40q is declared", name)
}

// plugged are the devices that are plugged into a guest.
type plugged struct {
	turn    sync.Mutex // one device comes or goes at a time
	removed sync.Map   // by QEMU's id, of chan struct{}; closed when the guest has released the device
}

func (s *plugged) remove(id string) {
	if c, ok := s.removed.LoadAndDelete(id); ok {
		close(c.(chan struct{}))
	}
}

// observe handles the event of a device that the guest has released (QEMU qapi/qdev.json). For what was plugged into
// that device itself there are events with a path and no id.
func (s *plugged) observe(e qmp.Event) {
	if id, ok := e.Data["device"].(string); ok && e.Event == "DEVICE_DELETED" {
		s.remove(id)
	}
}

// hotplug runs device_add or device_del of the human monitor, and returns the first line of its complaint.
func (p *Process) hotplug(ctx context.Context, command string) error {
	text, err := p.monitor.Human(ctx, command)
	if err != nil {
		return err
	}
	return complaint(text)
}

func complaint(text string) error {
	text = strings.TrimPrefix(strings.TrimSpace(text), "Error: ")
	if text == "" {
		return nil
	}
	first, _, _ := strings.Cut(text, "\n")
	return errors.New(cmp.Or(strings.TrimSpace(first), "QEMU refused it"))
}

// Plug plugs in the device that the machine declares under name. When it returns, the device is there, and the guest is
// about to find it. An error says in one line why it is not.
func (p *Process) Plug(ctx context.Context, name string) error {
	d, err := p.machine.declared(name)
	if err != nil {
		return err
	}
	p.plugged.turn.Lock()
	defer p.plugged.turn.Unlock()
	id := plugPrefix + name
	if _, exists := p.plugged.removed.LoadOrStore(id, make(chan struct{})); exists {
		return fmt.Errorf("%s is plugged in already", name)
	}
	if err := p.hotplug(ctx, "device_add "+d.row()); err != nil {
		p.plugged.remove(id)
		return fmt.Errorf("plug in %s: %w", name, err)
	}
	return nil
}

// Unplug removes the device and waits for at most timeout until the guest has released it: a USB device is gone at once,
// a PCI device when its driver has returned from remove().
func (p *Process) Unplug(ctx context.Context, name string, timeout time.Duration) error {
	if _, err := p.machine.declared(name); err != nil {
		return err
	}
	p.plugged.turn.Lock()
	defer p.plugged.turn.Unlock()
	id := plugPrefix + name
	removed, ok := p.plugged.removed.Load(id)
	if !ok {
		return fmt.Errorf("%s is not plugged in", name)
	}
	if err := p.hotplug(ctx, "device_del "+id); err != nil {
		return fmt.Errorf("unplug %s: %w", name, err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-removed.(chan struct{}):
		return nil
	case <-timer.C:
		return fmt.Errorf("unplug %s: the guest has not released it after %v", name, timeout)
	case <-p.exited:
		return fmt.Errorf("unplug %s: %w", name, errHungUp)
	case <-ctx.Done():
		return fmt.Errorf("unplug %s: %w", name, context.Cause(ctx))
	}
}
