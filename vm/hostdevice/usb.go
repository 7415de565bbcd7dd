package hostdevice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const usbDevices = "bus/usb/devices"

// usb is a device as the folder that sysfs has for it shows it.
type usb struct{ dir, at string }

func (u usb) id() string {
	return strings.ToLower(attribute(u.dir, "idVendor") + ":" + attribute(u.dir, "idProduct"))
}

// brief is what the owner recognises it by.
func (u usb) brief() string {
	text := u.id() + "@" + u.at
	if name := strings.TrimSpace(attribute(u.dir, "manufacturer") + " " + attribute(u.dir, "product")); name != "" {
		text += " (" + name[:min(len(name), 40)] + ")"
	}
	return text
}

// allUSB are the devices of all USB buses, without the controllers' own hubs and without interfaces.
func (h Host) allUSB() (all []usb) {
	for _, name := range names(h.sys(usbDevices)) {
		if !strings.HasPrefix(name, "usb") && !strings.Contains(name, ":") {
			all = append(all, usb{h.sys(filepath.Join(usbDevices, name)), name})
		}
	}
	return all
}

func (h Host) findUSB(a Ask) (Device, error) {
	all := h.allUSB()
	fit := slices.DeleteFunc(slices.Clone(all), func(u usb) bool { return u.id() != a.ID || a.At != "" && u.at != a.At })
	var briefs, choices []string
	for _, u := range all {
		briefs = append(briefs, u.brief())
	}
	for _, u := range fit {
		choices = append(choices, Ask{Bus: USB, ID: a.ID, At: u.at}.String())
	}
	switch len(fit) {
	case 0:
		return Device{}, fmt.Errorf("no such USB device is attached; there %s", listed(briefs, "is none at all that this system shows"))
	case 1:
	default:
		return Device{}, fmt.Errorf("%d attached devices have this ID: say which one, %s", len(fit), strings.Join(choices, " or "))
	}
	u := fit[0]
	if attribute(u.dir, "bDeviceClass") == "09" {
		return Device{}, errors.New("it is a hub: name the device that is plugged into it")
	}
	if where := h.mounted(u.dir); where != "" {
		return Device{}, fmt.Errorf("it holds a disk that is in use here (%s): unmount it first", where)
	}
	d := Device{Bus: USB, ID: u.id(), At: u.at}
	var err error
	d.Node, err = h.node(u.dir)
	if err != nil {
		return Device{}, err
	}
	f, err := os.OpenFile(d.Node, os.O_RDWR, 0)
	if err != nil {
		return Device{}, h.closed(d, err)
	}
	return d, f.Close()
}

// node is the file of a USB device below /dev, whose name changes each time it is plugged in.
func (h Host) node(dir string) (string, error) {
	bus, err := strconv.Atoi(attribute(dir, "busnum"))
	number, err2 := strconv.Atoi(attribute(dir, "devnum"))
	if err != nil || err2 != nil {
		return "", errors.New("it has gone: plug it in again")
	}
	return h.dev(fmt.Sprintf("bus/usb/%03d/%03d", bus, number)), nil
}

// closed says why the file of d cannot be opened, with the rule for udev that lets the user at the machine open it.
func (h Host) closed(d Device, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		vendor, product, _ := strings.Cut(d.ID, ":")
		rule := fmt.Sprintf(`SUBSYSTEM=="usb", ATTR{idVendor}=="%s", ATTR{idProduct}=="%s", MODE="0660", TAG+="uaccess"`, vendor, product)
		return fmt.Errorf("this user may not open %s: as root, write the line '%s' to /etc/udev/rules.d/70-modmatrix.rules, run udevadm control --reload, and plug the device in again", d.Node, rule)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: a container needs /dev/bus/usb of its host", d.Node)
	}
	return fmt.Errorf("open it: %w", err)
}

// interfaces are those of the device at dir, with the driver that each is bound to; empty: none.
func interfaces(dir string) map[string]string {
	drivers := map[string]string{}
	for _, name := range names(dir) {
		if strings.HasPrefix(name, filepath.Base(dir)+":") {
			drivers[name] = linked(filepath.Join(dir, name), "driver")
		}
	}
	return drivers
}

// mounted names a disk below dir that is mounted, with where, or that another is built upon; empty: none is.
func (h Host) mounted(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	used := h.usedDisks()
	where := ""
	_ = filepath.WalkDir(real, func(path string, e fs.DirEntry, err error) error {
		if err != nil || where != "" || e.Name() != "dev" || !strings.Contains(path, "/block/") {
			return nil
		}
		name := filepath.Base(filepath.Dir(path))
		if use, ok := used[attribute(filepath.Dir(path), "dev")]; ok {
			where = name + " on " + use
		} else if len(names(filepath.Join(filepath.Dir(path), "holders"))) > 0 {
			where = name
		}
		return nil
	})
	return where
}

// usedDisks are the disks that are mounted, by their numbers.
func (h Host) usedDisks() map[string]string {
	used := map[string]string{}
	text, _ := os.ReadFile(h.proc("self/mountinfo"))
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 { // proc_pid_mountinfo(5)
			used[fields[2]] = fields[4]
		}
	}
	return used
}
