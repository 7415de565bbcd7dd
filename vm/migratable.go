package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Not every device of QEMU has a state that is saved (edu has none, QEMU hw/misc/edu.c), and QEMU does not report it: in a
// clone its registers read 0. A guest with one cannot be a template, and boots each time. Only PCI devices are checked.

// pciDevice is an entry of query-pci (QEMU qapi/pci.json).
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

// ErrUnsaved says that QEMU cannot save a device of the guest: it can never be a template.
var ErrUnsaved = errors.New("QEMU does not save such a guest")

// unsaved wraps ErrUnsaved around QEMU's complaint about a device (QEMU migration/savevm.c, qemu_savevm_state_blocked).
func unsaved(err error) error {
	if err != nil && strings.Contains(err.Error(), "non-migratable device") {
		return fmt.Errorf("%w: %w", ErrUnsaved, err)
	}
	return err
}

// checkState returns ErrUnsaved if the saved state has no part for one of the guest's PCI devices. It asks only where the
// machine has emulated devices of the user's: our own are known to be saved.
func (t *template) checkState(ctx context.Context, monitor *monitor) error {
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
		if d, ok := missingFrom(state, fmt.Sprintf("0000:%02x:", b.Bus), b.Devices); ok {
			return fmt.Errorf("%w: the state of its PCI device %04x:%04x is missing", ErrUnsaved, d.ID.Vendor, d.ID.Device)
		}
	}
	return nil
}

// missingFrom returns the first device below path that has no part in the state. A part begins with the device's path,
// which names the slots of the bridges before it (QEMU hw/pci/pci.c, pcibus_get_dev_path).
func missingFrom(state []byte, path string, devices []pciDevice) (pciDevice, bool) {
	for _, d := range devices {
		at := fmt.Sprintf("%s%02x.%x", path, d.Slot, d.Function)
		if !bytes.Contains(state, []byte(at+"/")) {
			return d, true
		}
		if d, ok := missingFrom(state, at+":", d.Bridge.Devices); ok {
			return d, true
		}
	}
	return pciDevice{}, false
}
