package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Not every device of QEMU's has a state that is saved (edu has none, QEMU hw/misc/edu.c), and QEMU says nothing of it: in
// a clone such a device is as after a reset, and answers 0 where the guest knows its registers to be. A guest with one is
// no template, and boots each time. Devices of other buses than PCI are not looked for.

// pciDevice is what query-pci tells of a device (QEMU qapi/pci.json).
type pciDevice struct {
	Bus      int `json:"bus"`
	Slot     int `json:"slot"`
	Function int `json:"function"`
	ID       struct {
		Device int `json:"device"`
		Vendor int `json:"vendor"`
	} `json:"id"`
	Bridge struct {
		Devices []pciDevice `json:"devices"`
	} `json:"pci_bridge"`
}

// ErrUnsaved says that QEMU cannot save what the guest is made of: it is no template now, and will be none the next time.
var ErrUnsaved = errors.New("QEMU does not save such a guest")

// unsaved makes an ErrUnsaved of QEMU's word that a device forbids it (QEMU migration/savevm.c, qemu_savevm_state_blocked).
func unsaved(err error) error {
	if err != nil && strings.Contains(err.Error(), "non-migratable device") {
		return fmt.Errorf("%w: %w", ErrUnsaved, err)
	}
	return err
}

// holds says whether the saved state has something of each of the guest's PCI devices. It asks only where the machine has
// stand-ins: ours are known to be saved.
func (t *template) holds(ctx context.Context, monitor *Monitor) error {
	if len(t.machine.Devices) == 0 {
		return nil
	}
	var buses []struct {
		Bus     int         `json:"bus"`
		Devices []pciDevice `json:"devices"`
	}
	if err := monitor.query(ctx, "query-pci", &buses); err != nil {
		return err
	}
	state, err := os.ReadFile(t.path(templateState))
	if err != nil {
		return err
	}
	for _, b := range buses {
		if d, ok := forgotten(state, fmt.Sprintf("0000:%02x:", b.Bus), b.Devices); ok {
			return fmt.Errorf("%w: of its PCI device %04x:%04x it keeps nothing", ErrUnsaved, d.ID.Vendor, d.ID.Device)
		}
	}
	return nil
}

// forgotten gives the first device below path of which the state has nothing. A device's part bears its path, which names
// the slots of the bridges before it (QEMU hw/pci/pci.c, pcibus_get_dev_path).
func forgotten(state []byte, path string, devices []pciDevice) (pciDevice, bool) {
	for _, d := range devices {
		at := fmt.Sprintf("%s%02x.%x", path, d.Slot, d.Function)
		if !bytes.Contains(state, []byte(at+"/")) {
			return d, true
		}
		if d, ok := forgotten(state, at+":", d.Bridge.Devices); ok {
			return d, true
		}
	}
	return pciDevice{}, false
}
