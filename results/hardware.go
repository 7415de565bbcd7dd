package results

import (
	"cmp"
	"slices"
	"strings"
)

// Device is hardware that a driver under test was bound to, or that the tester handed to the guest. It says of what kind it is,
// never which piece: no serial number, no address, no path of a machine.
type Device struct {
	Bus    string `json:"bus"`              // as sysfs names it: pci, usb, i2c, hid, platform …
	ID     string `json:"id"`               // vvvv:pppp on pci, usb and hid; elsewhere what the driver is chosen by, as after the "BUS:" of a modalias
	Driver string `json:"driver,omitempty"` // of the modules under test, as sysfs names it; empty: none was bound to it
	Name   string `json:"name,omitempty"`   // what the device calls itself; empty where it does not
	// Description is what else a developer wants to know: of usb the lines of /sys/kernel/debug/usb/devices but for the serial number,
	// of pci subsystem, class and revision.
	Description string `json:"description,omitempty"`
	// Own is true for the tester's own device (--host-device), and false for one that the guest emulates.
	Own bool `json:"own,omitempty"`
}

// String is the device in a few words, e.g. "usb 0627:0001 QEMU USB Keyboard (usbkey)".
func (d Device) String() string {
	words := strings.Join(strings.Fields(d.Bus+" "+d.ID+" "+d.Name), " ")
	if d.Driver != "" {
		words += " (" + d.Driver + ")"
	}
	if d.Own {
		words += ", the tester's own"
	}
	return words
}

// CompareDevices orders devices by bus, ID and driver.
func CompareDevices(a, b Device) int {
	return cmp.Or(strings.Compare(a.Bus, b.Bus), strings.Compare(a.ID, b.ID), strings.Compare(a.Driver, b.Driver),
		strings.Compare(a.Name, b.Name), strings.Compare(a.Description, b.Description))
}

// Devices are those of all records, each once and in order, without their descriptions.
func Devices(records []Record) []Device {
	var all []Device
	for _, rec := range records {
		for _, d := range rec.Hardware {
			d.Description = ""
			all = append(all, d)
		}
	}
	slices.SortFunc(all, CompareDevices)
	return slices.Compact(all)
}
