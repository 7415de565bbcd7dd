// Package hostdevice finds the devices of this machine that a tester wants to hand to a guest, says what keeps them from it with
// the cure, and sees to it that this machine has them back afterwards. It starts nothing, and never knows what a guest is.
//
// It never takes a device from its driver by itself: of USB, QEMU does so while a guest has the device, which the kernel undoes
// when asked; a PCI device must have been given to vfio-pci by its owner, and stays there.
package hostdevice

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The buses whose devices can be handed over.
const (
	USB = "usb"
	PCI = "pci"
)

// Max is how many devices can be handed to one guest.
const Max = 4

// Ask is a device as its owner names it: usb:VVVV:PPPP, usb:VVVV:PPPP@BUS-PORT or pci:[DDDD:]BB:DD.F.
type Ask struct {
	Bus string
	ID  string // vvvv:pppp; empty on PCI, where the place says which one is meant
	At  string // BUS-PORT, with further ports behind dots, or DDDD:BB:DD.F; empty: the only one with that ID
}

var (
	usbForm = regexp.MustCompile(`^usb:([0-9a-fA-F]{4}:[0-9a-fA-F]{4})(?:@([0-9]{1,3}-[0-9]{1,3}(?:\.[0-9]{1,3}){0,6}))?$`)
	pciForm = regexp.MustCompile(`^pci:(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])$`)
)

// Parse reads what Ask.String writes.
func Parse(text string) (Ask, error) {
	if m := usbForm.FindStringSubmatch(text); m != nil {
		return Ask{Bus: USB, ID: strings.ToLower(m[1]), At: m[2]}, nil
	}
	if m := pciForm.FindStringSubmatch(text); m != nil {
		return Ask{Bus: PCI, At: strings.ToLower(cmp.Or(m[1], "0000") + ":" + m[2])}, nil
	}
	return Ask{}, fmt.Errorf("%.60q is no device of this machine: write usb:VVVV:PPPP (lsusb shows them) or pci:BB:DD.F (lspci)", text)
}

// String is how a is written on a command line.
func (a Ask) String() string {
	switch {
	case a.Bus == PCI:
		return "pci:" + strings.TrimPrefix(a.At, "0000:")
	case a.At == "":
		return "usb:" + a.ID
	}
	return "usb:" + a.ID + "@" + a.At
}

// Host is where the kernel shows this machine's devices. The zero value is the machine itself; tests have folders of their own.
type Host struct {
	Sys  string // empty: /sys
	Dev  string // empty: /dev
	Proc string // empty: /proc
}

func (h Host) sys(path string) string  { return filepath.Join(cmp.Or(h.Sys, "/sys"), path) }
func (h Host) dev(path string) string  { return filepath.Join(cmp.Or(h.Dev, "/dev"), path) }
func (h Host) proc(path string) string { return filepath.Join(cmp.Or(h.Proc, "/proc"), path) }

// Device is a device of this machine. At and Node are of this machine alone, and belong into no record.
type Device struct {
	Bus  string
	ID   string // vvvv:pppp
	At   string // BUS-PORT or DDDD:BB:DD.F
	Node string // what QEMU must be able to open: /dev/bus/usb/BBB/DDD, or that of the IOMMU group
}

// String names d as Parse reads it.
func (d Device) String() string { return Ask{Bus: d.Bus, ID: d.ID, At: d.At}.String() }

// Kind is d without its place.
func (d Device) Kind() string { return d.Bus + ":" + d.ID }

// Find returns the device that a means if it can be handed to a guest: it is there, it is the only one, and nothing of this machine
// hangs on it. Else the error says in one line what is missing, and the cure. Whether QEMU may open its Node is another question.
func (h Host) Find(a Ask) (Device, error) {
	d, err := h.findPCI(a)
	if a.Bus == USB {
		d, err = h.findUSB(a)
	}
	if err != nil {
		return Device{}, fmt.Errorf("--host-device %s: %w", a, err)
	}
	return d, nil
}

// FindAll is Find for several, none of which may be there twice.
func (h Host) FindAll(asks []Ask) (all []Device, err error) {
	for _, a := range asks {
		d, err := h.Find(a)
		if err != nil {
			return nil, err
		}
		if slices.Contains(all, d) {
			return nil, fmt.Errorf("--host-device %s: it is asked for twice", a)
		}
		all = append(all, d)
	}
	return all, nil
}

// maxAttribute bounds what is read of a file: a device may say what it likes.
const maxAttribute = 4 << 10

// attribute is the content of a file in one line of printable ASCII; empty where there is none.
func attribute(dir, name string) string {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxAttribute))
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(text))
	return strings.Join(strings.Fields(plain), " ")
}

// linked is the name of what a link leads to; empty where there is none.
func linked(dir, name string) string {
	target, err := os.Readlink(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// names are those of what is in a folder, sorted; nothing where it cannot be read.
func names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// listShown is how many of what is there an error names.
const listShown = 12

func listed(all []string, none string) string {
	switch {
	case len(all) == 0:
		return none
	case len(all) > listShown:
		return strings.Join(all[:listShown], ", ") + fmt.Sprintf(" and %d more", len(all)-listShown)
	}
	return strings.Join(all, ", ")
}
