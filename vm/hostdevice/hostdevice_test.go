package hostdevice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Ask{
		"usb:046D:C31c":        {USB, "046d:c31c", ""},
		"usb:0bda:8153@1-5.2":  {USB, "0bda:8153", "1-5.2"},
		"pci:03:00.0":          {PCI, "", "0000:03:00.0"},
		"pci:0001:AF:1f.7":     {PCI, "", "0001:af:1f.7"},
		"pci:0000:03:00.0":     {PCI, "", "0000:03:00.0"},
		"usb:0bda:8153@10-1.4": {USB, "0bda:8153", "10-1.4"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{"", "usb", "usb:046d", "usb:046d:c31c@", "usb:046d:c31c@../..", "usb:046d:c31c,hostbus=1", "usb:046d:c31c\n", "pci:3:0.0",
		"pci:03:00.8", "pci:03:00.0/../..", "usb:046d:c31c@1", "046d:c31c", "scsi:0:0", "usb:046d:c31c@1-4:1.0"} {
		if a, err := Parse(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"usb:046d:c31c", "usb:046d:c31c@1-4.2", "pci:03:00.0", "pci:0001:03:00.0", "usb:", "pci:../"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Errorf("%q is %+v, and is written as %q: %v", text, a, a, err)
		}
		if strings.ContainsAny(a.String(), "/,\n ") || strings.Contains(a.At, "..") {
			t.Errorf("%q names %q", text, a)
		}
	})
}

// What can be handed over is found, and for whatever keeps it from a guest there is a line with the cure.
func TestFind(t *testing.T) {
	h := machine(t, desk+rack)
	for ask, want := range map[string]string{
		"usb:046d:c31c":       "046d:c31c 1-4 DEV/bus/usb/001/007",
		"usb:046d:c31c@1-4":   "046d:c31c 1-4 DEV/bus/usb/001/007",
		"usb:0bda:8153@1-5.2": "0bda:8153 1-5.2 DEV/bus/usb/001/010",
		"pci:03:00.0":         "8086:1533 0000:03:00.0 DEV/vfio/12",
		"usb:0bda:8153":       "2 attached devices have this ID: say which one, usb:0bda:8153@1-5.1 or usb:0bda:8153@1-5.2",
		"usb:1234:5678":       "no such USB device is attached; there 046d:c31c@1-4 (Logitech Keyboard K120), 05e3:0610@1-5, 0bda:8153@1-5.1, 0bda:8153@1-5.2, 0781:5581@2-1",
		"usb:046d:c31c@1-9":   "no such USB device is attached",
		"usb:05e3:0610":       "it is a hub: name the device that is plugged into it",
		"usb:0781:5581":       "it holds a disk that is in use here (sdb1 on /media/stick): unmount it first",
		"pci:00:1c.0":         "it is a bridge: name the device behind it",
		"pci:08:00.0":         "there is no PCI device at that address; there pci:03:00.0 (8086:1533), pci:03:00.2 (:), pci:04:00.0 (10de:1eb8)",
		"pci:04:00.0":         "the IOMMU cannot keep it apart from pci:04:00.1 (snd_hda_intel), which is of the same group 13: give that to vfio-pci as well, as root, by: modprobe vfio-pci; echo vfio-pci >/sys/bus/pci/devices/0000:04:00.1/driver_override; echo 0000:04:00.1 >/sys/bus/pci/drivers/snd_hda_intel/unbind; echo 0000:04:00.1 >/sys/bus/pci/drivers_probe",
		"pci:05:00.0":         "the driver brcmfmac has it: as root, give it to vfio-pci by: modprobe vfio-pci; echo vfio-pci >/sys/bus/pci/devices/0000:05:00.0/driver_override; echo 0000:05:00.0 >/sys/bus/pci/drivers/brcmfmac/unbind; echo 0000:05:00.0 >/sys/bus/pci/drivers_probe; the way back is: echo >",
		"pci:06:00.0":         "the IOMMU is off, without which a guest's device could read all of this machine's memory: switch VT-d or AMD-Vi on",
		"pci:07:00.0":         "there is no DEV/vfio/15: a container needs /dev/vfio of its host",
	} {
		a, err := Parse(ask)
		must(t, err)
		d, err := h.Find(a)
		got := strings.Join([]string{d.ID, d.At, d.Node}, " ")
		if err != nil {
			got = err.Error()
		}
		got = strings.ReplaceAll(got, h.Dev, "DEV")
		if err == nil && got != want || err != nil && !strings.HasPrefix(got, "--host-device "+a.String()+": "+want) || strings.Contains(got, "\n") {
			t.Errorf("%s:\ngot  %s\nwant %s", ask, got, want)
		}
		if strings.Contains(got, "SECRET") {
			t.Errorf("%s: a serial number is shown: %s", ask, got)
		}
	}
	if _, err := h.FindAll([]Ask{{USB, "046d:c31c", ""}, {USB, "046d:c31c", "1-4"}}); err == nil || !strings.Contains(err.Error(), "asked for twice") {
		t.Errorf("twice: %v", err)
	}
}

// A machine without buses, as a container is, has its lines as well.
func TestFindWhereNothingIs(t *testing.T) {
	h := machine(t, "sys/x y")
	for ask, want := range map[string]string{"usb:046d:c31c": "there is none at all that this system shows", "pci:03:00.0": "there is none at all that this system shows"} {
		a, _ := Parse(ask)
		if _, err := h.Find(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ask, err)
		}
	}
}

func TestClosedNode(t *testing.T) {
	h := machine(t, desk)
	d := Device{Bus: USB, ID: "046d:c31c", Node: "/dev/bus/usb/001/007"}
	for err, want := range map[error]string{
		os.ErrPermission: `this user may not open /dev/bus/usb/001/007: as root, write the line 'SUBSYSTEM=="usb", ATTR{idVendor}=="046d", ATTR{idProduct}=="c31c", MODE="0660", TAG+="uaccess"' to /etc/udev/rules.d/70-modmatrix.rules, run udevadm control --reload, and plug the device in again`,
		os.ErrNotExist:   "there is no /dev/bus/usb/001/007: a container needs /dev/bus/usb of its host",
	} {
		if got := h.closed(d, &os.PathError{Op: "open", Path: d.Node, Err: err}); got.Error() != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
	must(t, os.Remove(filepath.Join(h.Dev, "bus/usb/001/007")))
	if _, err := h.Find(Ask{USB, "046d:c31c", ""}); err == nil || !strings.Contains(err.Error(), "a container needs") {
		t.Error(err)
	}
}
