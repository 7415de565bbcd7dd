package judge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// A guest is a stranger: what it says of devices has the form of a device, or is dropped.
var (
	busName    = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	driverName = regexp.MustCompile(`^[!-~]([ -~]{0,62}[!-~])?$`)
	deviceID   = regexp.MustCompile(`^[0-9A-Za-z_.,:;*+()<>@=-]{1,128}$`)
	numberID   = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{4}$`)
	fileName   = regexp.MustCompile(`^[!-~]{1,255}$`)
)

// maxDeviceName bounds what a device calls itself, in bytes.
const maxDeviceName = 128

// device keeps what has the form of a device. A serial number that is there all the same is left out.
func (g *Guest) device(d *wire.Device) {
	if d == nil || !busName.MatchString(d.Bus) || !driverName.MatchString(d.Driver) || len(d.Name) > maxDeviceName || len(g.Devices) >= wire.MaxDevices {
		return
	}
	numbered := slices.Contains([]string{"pci", "usb", "hid"}, d.Bus)
	if numbered && !numberID.MatchString(d.ID) || !numbered && d.ID != "" && !deviceID.MatchString(d.ID) {
		return
	}
	kept := results.Device{Bus: d.Bus, ID: d.ID, Driver: d.Driver, Name: d.Name, Description: withoutSerial(d.Text)}
	if !slices.ContainsFunc(g.Devices, func(o results.Device) bool {
		o.Description = kept.Description // it has the number on the bus
		return o == kept
	}) {
		g.Devices = append(g.Devices, kept)
	}
}

func withoutSerial(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.Contains(line, "SerialNumber") })
	return strings.Join(lines, "\n")
}

// isFirmware reports whether name can be a file of firmware: no path leads out of its folder.
func isFirmware(name string) bool {
	return fileName.MatchString(name) && !strings.HasPrefix(name, "/") && !slices.Contains(strings.Split(name, "/"), "..")
}

// hardware are the devices of the guest, and those of the tester's that no driver of the module was bound to.
func (e Evidence) hardware() []results.Device {
	all := slices.Clone(e.Guest.Devices)
	for _, own := range e.Own {
		found := false
		for i := range all {
			if same(all[i], own) {
				all[i].Own, found = true, true
			}
		}
		if !found {
			all = append(all, own)
		}
	}
	slices.SortFunc(all, results.CompareDevices)
	return slices.Compact(all)
}

func same(a, b results.Device) bool { return a.Bus == b.Bus && a.ID == b.ID }

// unbound says which of the tester's devices the module did not take: what passed then says little of them.
func (e Evidence) unbound() (notes []string) {
	for _, own := range e.Own {
		if !slices.ContainsFunc(e.Guest.Devices, func(d results.Device) bool { return same(d, own) }) {
			notes = append(notes, fmt.Sprintf("no driver of the module was bound to %s:%s, which was handed to the guest", own.Bus, own.ID))
		}
	}
	slices.Sort(notes)
	return slices.Compact(notes)
}

// firmware are the files that were asked for, found or not.
func (e Evidence) firmware() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Guest.Firmware, e.NoFirmware))))
}
