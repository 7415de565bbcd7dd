package guest

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// What the modules under test drive is read from sysfs: /sys/module/NAME/drivers has a link to each driver of a module, and a
// driver's folder one to each device that it is bound to (Linux drivers/base/module.c, dd.c).

// usbDevices describes every USB device (Linux drivers/usb/core/devices.c).
const usbDevices = "/sys/kernel/debug/usb/devices"

// hardware remembers what was reported in this round. A device may come and go within one spec.
type hardware struct {
	mu    sync.Mutex
	known map[wire.Device]bool
}

func (h *hardware) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = map[wire.Device]bool{}
}

// isNew ignores the number on the bus, which differs for what was plugged in twice, and is in the text.
func (h *hardware) isNew(d wire.Device) bool {
	d.Text = ""
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known[d] || len(h.known) >= wire.MaxDevices {
		return false
	}
	h.known[d] = true
	return true
}

// reportHardware reports what is bound now and was not reported in this round.
func (g *guest) reportHardware() {
	for _, d := range bound(sysDir, usbDevices, g.under.list()) {
		if g.hardware.isNew(d) {
			g.send(wire.Frame{Kind: wire.KindDevice, Device: &d})
		}
	}
}

// bound lists what drivers of modules are bound to, in the order of names.
func bound(sys, usb string, modules []string) (all []wire.Device) {
	for _, module := range modules {
		dir := filepath.Join(sys, "module", module, "drivers")
		for _, link := range slices.Sorted(slices.Values(entries(dir))) {
			bus, driver, ok := strings.Cut(link, ":")
			if !ok {
				continue
			}
			for _, name := range slices.Sorted(slices.Values(entries(filepath.Join(dir, link)))) {
				path, err := filepath.EvalSymlinks(filepath.Join(dir, link, name))
				if _, noDevice := os.Stat(filepath.Join(path, "subsystem")); err != nil || name == "module" || noDevice != nil {
					continue
				}
				d := describe(path, bus, usb)
				d.Bus, d.Driver = bus, driver
				if d = d.Cleaned(); !slices.Contains(all, d) { // two interfaces of one device are one
					all = append(all, d)
				}
			}
		}
	}
	return all
}

// describe returns what sysfs says of the kind of the device at path.
func describe(path, bus, usb string) (d wire.Device) {
	switch bus {
	case "pci":
		d.ID = hex(path, "vendor") + ":" + hex(path, "device")
		d.Text = "subsystem " + hex(path, "subsystem_vendor") + ":" + hex(path, "subsystem_device") + ", class " + hex(path, "class") + ", revision " + hex(path, "revision")
	case "usb":
		if attribute(path, "idVendor") == "" {
			path = filepath.Dir(path) // of an interface
		}
		d.ID = attribute(path, "idVendor") + ":" + attribute(path, "idProduct")
		d.Name = attribute(path, "product")
		if maker := attribute(path, "manufacturer"); !strings.HasPrefix(d.Name, maker) {
			d.Name = strings.TrimSpace(maker + " " + d.Name)
		}
		text, _ := os.ReadFile(usb) // none without debugfs
		d.Text = usbBlock(string(text), attribute(path, "busnum"), attribute(path, "devnum"))
	case "hid":
		d.ID = hidID(filepath.Base(path))
		d.Name = variable(attribute(path, "uevent"), "HID_NAME")
	default: // the bus's own attribute: another may run code of the driver
		_, d.ID, _ = strings.Cut(attribute(path, "modalias"), ":")
		if bus == "i2c" {
			d.Name = attribute(path, "name")
		}
	}
	return d
}

// maxAttribute bounds what is read of a file in sysfs, which is a page at most.
const maxAttribute = 4 << 10

// attribute is the content of a file of a device; empty where there is none.
func attribute(dir, name string) string {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxAttribute))
	return strings.TrimSpace(string(text))
}

// hex is a number of a PCI device without its 0x.
func hex(dir, name string) string { return strings.TrimPrefix(attribute(dir, name), "0x") }

// variable is a field of a uevent file. HID_UNIQ, beside it, is a serial number or an address.
func variable(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// hidID is vvvv:pppp of a HID device that is named BUS:VVVV:PPPP.NUMBER (Linux drivers/hid/hid-core.c, hid_add_device).
func hidID(name string) string {
	_, id, _ := strings.Cut(name, ":")
	id, _, _ = strings.Cut(id, ".")
	return strings.ToLower(id)
}

// usbBlock is what the list of USB devices says of one, without its serial number.
func usbBlock(list, bus, device string) string {
	busNumber, err := strconv.Atoi(bus)
	number, err2 := strconv.Atoi(device)
	if cmp.Or(err, err2) != nil {
		return ""
	}
	for block := range strings.SplitSeq(list, "\n\n") {
		var kept []string
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			if !strings.Contains(line, "SerialNumber=") {
				kept = append(kept, line)
			}
		}
		if numberOf(kept[0], "Bus=") == busNumber && numberOf(kept[0], "Dev#=") == number {
			return strings.Join(kept, "\n")
		}
	}
	return ""
}

// numberOf is the number behind key in a line of the list of USB devices, where blanks may stand before it; -1 for none.
func numberOf(line, key string) int {
	_, rest, ok := strings.Cut(line, key)
	if !ok {
		return -1
	}
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// awaitTime is how long the guest waits for a device that the host hands over: USB takes a second to number one, more under emulation.
const awaitTime = 30 * time.Second

// awaitDevices waits until what the host hands over is there: modules that were loaded before would be tested without it.
func (g *guest) awaitDevices() bool {
	absent := g.plan.Await
	for start := time.Now(); time.Since(start) < awaitTime; time.Sleep(20 * time.Millisecond) {
		if absent = missing(g.plan.Await, present(sysDir)); len(absent) == 0 {
			return true
		}
	}
	g.fail("the guest does not see %s, %v after it was handed over", strings.Join(absent, ", "), awaitTime)
	return false
}

// present lists the PCI and USB devices as a plan names them.
func present(sys string) (all []string) {
	for _, name := range entries(filepath.Join(sys, "bus/usb/devices")) {
		dir := filepath.Join(sys, "bus/usb/devices", name)
		all = append(all, "usb:"+attribute(dir, "idVendor")+":"+attribute(dir, "idProduct"))
	}
	for _, name := range entries(filepath.Join(sys, "bus/pci/devices")) {
		dir := filepath.Join(sys, "bus/pci/devices", name)
		all = append(all, "pci:"+hex(dir, "vendor")+":"+hex(dir, "device"))
	}
	return all
}

// missing are those of wanted that are not in have, each as often as it is there.
func missing(wanted, have []string) (absent []string) {
	have = slices.Clone(have)
	for _, w := range wanted {
		i := slices.Index(have, w)
		if i < 0 {
			absent = append(absent, w)
			continue
		}
		have = slices.Delete(have, i, i+1)
	}
	return absent
}
