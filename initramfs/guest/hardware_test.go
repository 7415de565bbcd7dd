package guest

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// tree makes folders of lines: "PATH CONTENT", or "PATH -> TARGET" for a link, whose target is made where it is none.
func tree(t *testing.T, lines string) string {
	t.Helper()
	root := t.TempDir()
	for line := range strings.Lines(lines) {
		name, content, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		path := filepath.Join(root, name)
		target, link := strings.CutPrefix(content, "-> ")
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case link:
			if err = os.MkdirAll(filepath.Join(filepath.Dir(path), target), 0o755); err == nil {
				err = os.Symlink(target, path)
			}
		default:
			err = os.WriteFile(path, []byte(strings.ReplaceAll(content, `\n`, "\n")+"\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// busy is a guest in which one module drives a PCI device, both interfaces of a USB device, a HID device, an I2C chip and a platform
// device, and another module drives something else.
const busy = `
module/drv/drivers/pci:drv_pci -> ../../../bus/pci/drivers/drv_pci
module/drv/drivers/usb:drv_usb -> ../../../bus/usb/drivers/drv_usb
module/drv/drivers/hid:drv_hid -> ../../../bus/hid/drivers/drv_hid
module/drv/drivers/i2c:drv_i2c -> ../../../bus/i2c/drivers/drv_i2c
module/drv/drivers/platform:drv -> ../../../bus/platform/drivers/drv
module/drv/drivers/usb:idle -> ../../../bus/usb/drivers/idle
bus/pci/drivers/drv_pci/module -> ../../../../module/drv
bus/pci/drivers/drv_pci/bind x
bus/pci/drivers/drv_pci/0000:00:05.0 -> ../../../../devices/0000:00:05.0
devices/0000:00:05.0/subsystem -> ../../bus/pci
devices/0000:00:05.0/vendor 0x1234
devices/0000:00:05.0/device 0x11e8
devices/0000:00:05.0/subsystem_vendor 0x1af4
devices/0000:00:05.0/subsystem_device 0x1100
devices/0000:00:05.0/class 0x00ff00
devices/0000:00:05.0/revision 0x10
bus/usb/drivers/drv_usb/1-1:1.0 -> ../../../../devices/1-1/1-1:1.0
bus/usb/drivers/drv_usb/1-1:1.1 -> ../../../../devices/1-1/1-1:1.1
devices/1-1/1-1:1.0/subsystem -> ../../../bus/usb
devices/1-1/1-1:1.1/subsystem -> ../../../bus/usb
devices/1-1/idVendor 0627
devices/1-1/idProduct 0001
devices/1-1/manufacturer QEMU
devices/1-1/product QEMU USB Keyboard
devices/1-1/serial SECRET-42
devices/1-1/busnum 1
devices/1-1/devnum 2
bus/hid/drivers/drv_hid/0003:046D:C31C.0001 -> ../../../../devices/0003:046D:C31C.0001
devices/0003:046D:C31C.0001/subsystem -> ../../bus/hid
devices/0003:046D:C31C.0001/uevent DRIVER=drv_hid\nHID_NAME=Logitech Keyboard\nHID_UNIQ=SECRET-43
bus/i2c/drivers/drv_i2c/0-0050 -> ../../../../devices/0-0050
devices/0-0050/subsystem -> ../../bus/i2c
devices/0-0050/modalias i2c:24c02
devices/0-0050/name 24c02
bus/platform/drivers/drv/drv.0 -> ../../../../devices/drv.0
devices/drv.0/subsystem -> ../../bus/platform
devices/drv.0/modalias platform:drv
devices/drv.0/name a file that code of the driver answers
module/other/drivers/pci:other -> ../../../bus/pci/drivers/other
bus/pci/drivers/other/0000:00:06.0 -> ../../../../devices/0000:00:06.0
devices/0000:00:06.0/subsystem -> ../../bus/pci
usb_devices
`

const usbList = `
T:  Bus=01 Lev=00 Prnt=00 Port=00 Cnt=00 Dev#=  1 Spd=480  MxCh= 8
D:  Ver= 2.00 Cls=09(hub  ) Sub=00 Prot=01 MxPS=64 #Cfgs=  1
P:  Vendor=1d6b ProdID=0002 Rev= 6.01
S:  SerialNumber=0000:00:04.0

T:  Bus=01 Lev=01 Prnt=01 Port=00 Cnt=01 Dev#=  2 Spd=480  MxCh= 0
D:  Ver= 2.00 Cls=00(>ifc ) Sub=00 Prot=00 MxPS=64 #Cfgs=  1
P:  Vendor=0627 ProdID=0001 Rev= 0.00
S:  Manufacturer=QEMU
S:  Product=QEMU USB Keyboard
S:  SerialNumber=SECRET-42
C:* #Ifs= 1 Cfg#= 1 Atr=a0 MxPwr=100mA
I:* If#= 0 Alt= 0 #EPs= 1 Cls=03(HID  ) Sub=01 Prot=01 Driver=drv_usb
`

func TestWhatAModuleDrives(t *testing.T) {
	sys := tree(t, busy)
	list := filepath.Join(sys, "usb_devices")
	if err := os.WriteFile(list, []byte(usbList), 0o644); err != nil {
		t.Fatal(err)
	}
	block := "T:  Bus=01 Lev=01 Prnt=01 Port=00 Cnt=01 Dev#=  2 Spd=480  MxCh= 0\nD:  Ver= 2.00 Cls=00(>ifc ) Sub=00 Prot=00 MxPS=64 #Cfgs=  1\n" +
		"P:  Vendor=0627 ProdID=0001 Rev= 0.00\nS:  Manufacturer=QEMU\nS:  Product=QEMU USB Keyboard\n" +
		"C:* #Ifs= 1 Cfg#= 1 Atr=a0 MxPwr=100mA\nI:* If#= 0 Alt= 0 #EPs= 1 Cls=03(HID  ) Sub=01 Prot=01 Driver=drv_usb"
	want := []wire.Device{
		{Bus: "hid", ID: "046d:c31c", Driver: "drv_hid", Name: "Logitech Keyboard"},
		{Bus: "i2c", ID: "24c02", Driver: "drv_i2c", Name: "24c02"},
		{Bus: "pci", ID: "1234:11e8", Driver: "drv_pci", Text: "subsystem 1af4:1100, class 00ff00, revision 10"},
		{Bus: "platform", ID: "drv", Driver: "drv"},
		{Bus: "usb", ID: "0627:0001", Driver: "drv_usb", Name: "QEMU USB Keyboard", Text: block},
	}
	got := bound(sys, list, []string{"drv", "gone"})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, d := range got {
		if strings.Contains(d.Name+d.Text, "SECRET") {
			t.Errorf("a serial number: %+v", d)
		}
	}
	if got := bound(sys, filepath.Join(sys, "none"), []string{"drv"}); len(got) != len(want) || got[4].Text != "" {
		t.Errorf("without debugfs: %+v", got)
	}
}

// A device that is plugged in anew has another number, and is the same: it is reported once a round.
func TestADeviceIsReportedOnce(t *testing.T) {
	var h hardware
	for range 2 {
		h.reset()
		first, again := wire.Device{Bus: "usb", ID: "0627:0001", Text: "Dev#=2"}, wire.Device{Bus: "usb", ID: "0627:0001", Text: "Dev#=3"}
		if !h.isNew(first) || h.isNew(first) || h.isNew(again) {
			t.Error("reported again, or never")
		}
	}
	for i := range 2 * wire.MaxDevices {
		h.isNew(wire.Device{ID: string(rune('a' + i))})
	}
	if len(h.known) != wire.MaxDevices {
		t.Errorf("%d devices are remembered", len(h.known))
	}
}

func TestAwaitedDevices(t *testing.T) {
	sys := tree(t, `
bus/usb/devices/1-1 -> ../../../devices/1-1
devices/1-1/idVendor 0627
devices/1-1/idProduct 0001
bus/usb/devices/1-1:1.0 -> ../../../devices/1-1/1-1:1.0
bus/pci/devices/0000:00:05.0 -> ../../../devices/0000:00:05.0
devices/0000:00:05.0/vendor 0x1234
devices/0000:00:05.0/device 0x11e8
`)
	for _, c := range []struct{ wanted, absent string }{
		{"", ""}, {"usb:0627:0001 pci:1234:11e8", ""}, {"usb:0627:0001 usb:0627:0001", "usb:0627:0001"}, {"usb:0627:0002", "usb:0627:0002"},
	} {
		if got := strings.Join(missing(strings.Fields(c.wanted), present(sys)), " "); got != c.absent {
			t.Errorf("%s: %q is missing, want %q", c.wanted, got, c.absent)
		}
	}
}

// What is read has a time of access; the kernel reads as this test does.
func TestFirmwareThatWasRead(t *testing.T) {
	dir := tree(t, "rtl/a.bin x\nrtl/b.bin.zst x\nc.bin x\nnever.bin x\n")
	forgetReads(dir)
	for _, name := range []string{"rtl/a.bin", "rtl/b.bin.zst"} {
		path := filepath.Join(dir, name)
		if _, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Now(), time.Time{}); err != nil { // a file system of the host may not keep the time
			t.Fatal(err)
		}
	}
	if got := filesRead(dir); !slices.Equal(got, []string{"rtl/a.bin", "rtl/b.bin"}) {
		t.Errorf("read: %q", got)
	}
	if got := filesRead(filepath.Join(dir, "none")); len(got) > 0 {
		t.Errorf("nothing is there, and read: %q", got)
	}
}
