package hostdevice

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A device that guests have is noted in a file, which is locked as long as we live: nobody else hands it over meanwhile. What was
// noted and is not locked was taken by a run that was killed; the next one gives it back.

// Taken is a device that is kept for guests, one after the other. It must be given back.
type Taken struct {
	Device
	host Host
	note *os.File // locked
	was  usage
}

// usage is what this machine did with a USB device before it was taken.
type usage struct {
	At            string            `json:"at"`
	ID            string            `json:"id"`
	Configuration string            `json:"configuration"`
	Drivers       map[string]string `json:"drivers"` // of its interfaces
}

// maxNote bounds the file: a device has at most 32 interfaces.
const maxNote = 64 << 10

// Take notes in dir that guests will have d. The error says that another run has it.
func (h Host) Take(dir string, d Device) (*Taken, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("note that %s is taken: %w", d, err)
	}
	note, err := os.OpenFile(filepath.Join(dir, d.Bus+"-"+d.At), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("note that %s is taken: %w", d, err)
	}
	t := &Taken{Device: d, host: h, note: note}
	if err := unix.Flock(int(note.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		note.Close()
		return nil, fmt.Errorf("--host-device %s: another run of modmatrix has it: wait for its end", d)
	}
	if d.Bus == USB {
		t.was = usage{At: d.At, ID: d.ID, Configuration: attribute(t.dir(), "bConfigurationValue"), Drivers: interfaces(t.dir())}
	}
	data, err := json.Marshal(t.was)
	if err == nil {
		err = rewrite(note, data)
	}
	if err != nil {
		note.Close()
		return nil, fmt.Errorf("note that %s is taken: %w", d, err)
	}
	return t, nil
}

// rewrite is no rename: the lock is on the file itself. A note that was cut off is of a device that nobody had yet.
func rewrite(note *os.File, data []byte) error {
	err := note.Truncate(0)
	if err == nil {
		_, err = note.WriteAt(data, 0)
	}
	if err == nil {
		err = note.Sync()
	}
	return err
}

func (t *Taken) dir() string { return t.host.sys(filepath.Join(usbDevices, t.At)) }

// Open opens a USB device for one guest. What the guest claims of it is free again when the last one has closed the file.
func (t *Taken) Open() (*os.File, error) {
	if id := (usb{t.dir(), t.At}).id(); id != t.ID {
		return nil, fmt.Errorf("%s is gone from where it was plugged in", t)
	}
	node, err := t.host.node(t.dir())
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	if err != nil {
		return nil, t.host.closed(Device{Bus: t.Bus, ID: t.ID, Node: node}, err)
	}
	return f, nil
}

// GiveBack lets this machine's drivers have the device again, as before Take; no guest may have it any more. The error says in one
// line what its owner has to do; the device is not held any longer in any case.
func (t *Taken) GiveBack() error {
	defer t.note.Close()
	if t.Bus == USB {
		if err := t.rebind(); err != nil {
			return fmt.Errorf("give back %s: %w", t, err)
		}
	}
	return t.note.Truncate(0)
}

// rebind has the kernel look for drivers where there were some and are none: QEMU does so when it ends by itself, and not when it is killed.
func (t *Taken) rebind() error {
	if id := (usb{t.dir(), t.At}).id(); id != t.ID {
		return nil // it was unplugged, and has its drivers when it is plugged in again
	}
	lost := t.lost()
	if len(lost) == 0 {
		return nil
	}
	if f, err := t.Open(); err == nil {
		t.reconnect(f, lost)
		f.Close()
	}
	for _, name := range t.lost() { // only root may
		_ = os.WriteFile(t.host.sys("bus/usb/drivers_probe"), []byte(name), 0)
	}
	lost = t.lost()
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("the driver %s has it no more: plug it in again, or as root: echo %s >/sys/bus/usb/drivers_probe", t.was.Drivers[lost[0]], lost[0])
}

// lost are the interfaces that had a driver and have none.
func (t *Taken) lost() (all []string) {
	now := interfaces(t.dir())
	for _, name := range slices.Sorted(maps.Keys(t.was.Drivers)) {
		if t.was.Drivers[name] != "" && now[name] == "" {
			all = append(all, name)
		}
	}
	return all
}

// Recover gives back what runs that were killed had taken, as dir lists it. Each note is a line for the user.
func (h Host) Recover(dir string) (notes []string) {
	for _, name := range names(dir) {
		bus, _, _ := strings.Cut(name, "-")
		note, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|unix.O_NOFOLLOW, 0)
		if err != nil || unix.Flock(int(note.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil { // another run lives, and has it
			if err == nil {
				note.Close()
			}
			continue
		}
		t := &Taken{host: h, note: note}
		data, err := io.ReadAll(io.LimitReader(note, maxNote))
		if err != nil || json.Unmarshal(data, &t.was) != nil || t.was.At == "" || name != bus+"-"+t.was.At {
			note.Close()
			continue
		}
		t.Device = Device{Bus: bus, ID: t.was.ID, At: t.was.At}
		if len(t.lost()) == 0 {
			_ = note.Truncate(0)
			note.Close()
			continue
		}
		if err := t.GiveBack(); err != nil {
			notes = append(notes, "an earlier run was killed: "+err.Error())
			continue
		}
		notes = append(notes, fmt.Sprintf("an earlier run was killed: its device %s was given back", t.Device))
	}
	return notes
}
