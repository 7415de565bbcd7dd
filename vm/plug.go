package vm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/digitalocean/go-qemu/qmp"
)

// Plug is a stand-in that is declared and not there at boot: Process.Plug puts it into the running guest, and
// Process.Unplug takes it out again. The machine has a free place for each from the start, so that a guest that was saved
// without its devices can be restored and get them: even those of which QEMU could not save the state.
type Plug struct {
	Name string // what the guest calls it
	Row  string // as CheckDevice has it, without an id
}

// MaxPlugs is how many devices a machine may declare: each PCI device takes a port, with 4 KiB of the 64 KiB of I/O
// addresses that there are.
const MaxPlugs = 8

// The names that QEMU knows our places and devices by: no two of them can be the same.
const (
	plugPrefix = "plug-" // and the name: the device
	portPrefix = "port-" // and the name: its own PCI Express port
	usbPlace   = "plugs" // the USB controller of all
)

var plugName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// place is where a device goes.
type place int

const (
	ownPlace place = iota // where its row says
	usbPort               // our USB controller
	pciPort               // a PCI Express port of its own
)

func (p Plug) place() place {
	name, options, _ := strings.Cut(p.Row, ",")
	switch {
	case optionOf(options, "bus"):
		return ownPlace
	case strings.HasPrefix(name, "usb-") && name != "usb-ehci": // that one is a controller, on PCI
		return usbPort
	}
	return pciPort
}

func optionOf(options, key string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if name, _, _ := strings.Cut(option, "="); strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// NeedsUSB tells whether p is plugged into the machine's own USB controller, for which the guest needs xhci_pci.
func (p Plug) NeedsUSB() bool { return p.place() == usbPort }

// NeedsPCI tells whether p is plugged into a PCI slot, for which the guest's kernel must know how to find it there.
func (p Plug) NeedsPCI() bool { return p.place() == pciPort }

// Check says in one line what is wrong with p, without asking QEMU.
func (p Plug) Check() error {
	if !plugName.MatchString(p.Name) {
		return fmt.Errorf("%q is no name for a device: up to 32 letters, digits, _ and -", p.Name)
	}
	if err := CheckDevice(p.Row); err != nil {
		return err
	}
	if _, options, _ := strings.Cut(p.Row, ","); optionOf(options, "id") {
		return fmt.Errorf("device %q: leave the id out: its name is %s", p.Row, p.Name)
	}
	return nil
}

// row is the device as QEMU's device_add has it.
func (p Plug) row() string {
	bus := ""
	switch p.place() {
	case usbPort:
		bus = ",bus=" + usbPlace + ".0"
	case pciPort:
		bus = ",bus=" + portPrefix + p.Name
	}
	return p.Row + ",id=" + plugPrefix + p.Name + bus
}

// places are what the machine's plugs go into.
func (m *Machine) places() (d device) {
	usb := false
	for i, p := range m.Plugs {
		switch p.place() {
		case pciPort: // a chassis of its own: the kernel names slots by it (Linux drivers/pci/slot.c)
			d = append(d, "-device", fmt.Sprintf("pcie-root-port,id=%s%s,chassis=%d", portPrefix, p.Name, i+1))
		case usbPort:
			usb = true
		}
	}
	if usb {
		d = append(d, "-device", fmt.Sprintf("qemu-xhci,id=%s,p2=%d,p3=%[2]d", usbPlace, MaxPlugs))
	}
	return d
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
		if names[p.Name] {
			return fmt.Errorf("two devices to be plugged in are named %s", p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

// plug finds what was declared.
func (m *Machine) plug(name string) (Plug, error) {
	for _, p := range m.Plugs {
		if p.Name == name {
			return p, nil
		}
	}
	return Plug{}, fmt.Errorf("no device named %.40q is declared", name)
}

// plugWords are the human monitor's words about device_add or device_del, nil if there are none.
func plugWords(text string) error {
	text = strings.TrimPrefix(strings.TrimSpace(text), "Error: ")
	if text == "" {
		return nil
	}
	first, _, _ := strings.Cut(text, "\n")
	return errors.New(cmp.Or(strings.TrimSpace(first), "QEMU refused it"))
}

// plugAll are the commands, in QMP, that plug in all there is and end QEMU.
func (m *Machine) plugAll() string {
	commands := []qmp.Command{{Execute: "qmp_capabilities"}}
	for _, p := range m.Plugs {
		commands = append(commands, qmp.Command{Execute: "human-monitor-command", Args: map[string]string{"command-line": "device_add " + p.row()}})
	}
	var b strings.Builder
	for _, c := range append(commands, qmp.Command{Execute: "quit"}) {
		line, err := json.Marshal(c)
		if err != nil {
			panic(err) // plain data: cannot happen
		}
		fmt.Fprintf(&b, "%s\n", line)
	}
	return b.String()
}

// plugAnswers finds in what QEMU said to plugAll the first device that it refused.
func (m *Machine) plugAnswers(said []byte) error {
	answers := 0
	for line := range bytes.Lines(said) {
		var answer struct{ Return json.RawMessage }
		if json.Unmarshal(line, &answer) != nil || answer.Return == nil {
			continue
		}
		var text string
		if answers++; answers == 1 || answers > len(m.Plugs)+1 || json.Unmarshal(answer.Return, &text) != nil {
			continue
		}
		if err := plugWords(text); err != nil {
			p := m.Plugs[answers-2]
			return fmt.Errorf("%s (%s): %w", p.Name, p.Row, err)
		}
	}
	if answers <= len(m.Plugs) {
		return errors.New("QEMU did not say whether it takes the devices that are to be plugged in")
	}
	return nil
}
