package judge

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

func driving(devices ...wire.Device) Evidence {
	e := good()
	for _, d := range devices {
		e.Guest.device(&d)
	}
	return e
}

func TestHardwareOfARecord(t *testing.T) {
	keyboard := wire.Device{Bus: "usb", ID: "0627:0001", Driver: "usbkey", Name: "QEMU USB Keyboard", Text: "T:  Bus=01\nS:  SerialNumber=42\nP:  Vendor=0627"}
	replugged := keyboard
	replugged.Text = "T:  Bus=01 Dev#=  9"
	card := wire.Device{Bus: "pci", ID: "1234:11e8", Driver: "edu"}
	mine, absent := results.Device{Bus: "usb", ID: "0627:0001", Own: true}, results.Device{Bus: "pci", ID: "8086:1533", Own: true}

	e := driving(keyboard, replugged, card)
	e.Own = []results.Device{mine, absent}
	e.Guest.Firmware, e.NoFirmware = []string{"b.bin", "a.bin"}, []string{"c.bin", "a.bin"}
	rec := Judge(e)
	want := []results.Device{
		{Bus: "pci", ID: "1234:11e8", Driver: "edu"},
		absent,
		{Bus: "usb", ID: "0627:0001", Driver: "usbkey", Name: "QEMU USB Keyboard", Description: "T:  Bus=01\nP:  Vendor=0627", Own: true},
	}
	if !reflect.DeepEqual(rec.Hardware, want) {
		t.Errorf("got  %+v\nwant %+v", rec.Hardware, want)
	}
	if !slices.Equal(rec.Firmware, []string{"a.bin", "b.bin", "c.bin"}) {
		t.Errorf("firmware %q", rec.Firmware)
	}
	if note := "no driver of the module was bound to pci:8086:1533, which was handed to the guest"; rec.Status != results.Pass || !slices.Contains(rec.Notes, note) {
		t.Errorf("%s, notes %q", rec.Status, rec.Notes)
	}
	if rec := Judge(good()); rec.Hardware != nil || rec.Firmware != nil {
		t.Errorf("nothing was there: %+v %q", rec.Hardware, rec.Firmware)
	}
}

// A guest says what it likes: what has not the form of a device is none, and there are never many.
func TestAGuestsWordOnDevices(t *testing.T) {
	for _, d := range []wire.Device{
		{}, {Bus: "usb", ID: "0627:0001"}, {Bus: "usb", ID: "0627", Driver: "x"}, {Bus: "usb", ID: "0627:000G", Driver: "x"}, {Bus: "../x", ID: "1", Driver: "x"},
		{Bus: "i2c", ID: "a b", Driver: "x"}, {Bus: "i2c", ID: strings.Repeat("x", 200), Driver: "x"}, {Bus: "i2c", ID: "a", Driver: strings.Repeat("x", 65)},
		{Bus: "i2c", ID: "a", Driver: "x", Name: strings.Repeat("x", 200)}, {Bus: "i2c", ID: "\u202e", Driver: "x"}, {Bus: "pci", ID: "1234:11E8", Driver: "x"},
	} {
		if e := driving(d); len(e.Guest.Devices) > 0 {
			t.Errorf("believed: %+v", d)
		}
	}
	g := NewGuest("n")
	g.device(nil)
	for i := range 3 * wire.MaxDevices {
		g.device(&wire.Device{Bus: "i2c", ID: strings.Repeat("x", 1+i%100), Driver: strings.Repeat("y", 1+i/100)})
		g.Add(wire.Frame{Kind: wire.KindFirmware, Nonce: "n", Text: strings.Repeat("x", 1+i)})
	}
	if len(g.Devices) != wire.MaxDevices || len(g.Firmware) != wire.MaxFirmware {
		t.Errorf("%d devices, %d files", len(g.Devices), len(g.Firmware))
	}
	for name, want := range map[string]bool{"a.bin": true, "rtl_nic/rtl8153a-3.fw": true, "": false, "/etc/passwd": false, "../../x": false, "a/../../x": false, "a b": false, "a\n": false} {
		if isFirmware(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func FuzzHardware(f *testing.F) {
	f.Add("usb", "0627:0001", "usbkey", "QEMU", "S:  SerialNumber=1\nP:  x")
	f.Add("i2c", "24c02", "at24", "", "")
	f.Add("pci", "\x1b[31m", "\u202e", "\x00", "\r")
	f.Fuzz(func(t *testing.T, bus, id, driver, name, text string) {
		d := wire.Device{Bus: bus, ID: id, Driver: driver, Name: name, Text: text}.Cleaned()
		e := driving(d)
		for _, kept := range Judge(e).Hardware {
			if strings.Contains(kept.Description, "SerialNumber") || len(kept.Description) > 5<<10 || strings.ContainsAny(kept.Bus+kept.ID, "/ \n\x00\x1b") || kept.Driver == "" {
				t.Errorf("%+v", kept)
			}
		}
	})
}
