package hostdevice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func keyboard(t *testing.T, h Host) Device {
	t.Helper()
	d, err := h.Find(Ask{USB, "046d:c31c", ""})
	must(t, err)
	return d
}

// detach is what a guest that was killed leaves: an interface without its driver.
func detach(t *testing.T, h Host, name string) {
	t.Helper()
	must(t, os.Remove(filepath.Join(h.Sys, "devices/1-4", name, "driver")))
}

func probed(t *testing.T, h Host) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.Sys, "bus/usb/drivers_probe"))
	must(t, err)
	return strings.TrimSpace(string(text))
}

// One device is in one guest: nobody else takes it until it was given back.
func TestATakenDeviceIsTaken(t *testing.T) {
	h, dir := machine(t, desk), t.TempDir()
	taken, err := h.Take(dir, keyboard(t, h))
	must(t, err)
	if _, err := h.Take(dir, keyboard(t, h)); err == nil || err.Error() != "--host-device usb:046d:c31c@1-4: another run of modmatrix has it: wait for its end" {
		t.Errorf("taken twice: %v", err)
	}
	if notes := h.Recover(dir); len(notes) > 0 {
		t.Errorf("taken away from a run that lives: %q", notes)
	}
	f, err := taken.Open()
	must(t, err)
	if want := filepath.Join(h.Dev, "bus/usb/001/007"); f.Name() != want {
		t.Errorf("opened %s, want %s", f.Name(), want)
	}
	f.Close()
	must(t, taken.GiveBack())
	if got := probed(t, h); got != "x" {
		t.Errorf("its drivers were there, and yet %q was asked for", got)
	}
	again, err := h.Take(dir, keyboard(t, h))
	must(t, err)
	must(t, again.GiveBack())
}

// What had a driver has the kernel look for one again; what had none is left alone, and so is another device at that place.
func TestGiveBack(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h Host)
		probed string
		want   string
	}{
		"nothing lost":       {func(Host) {}, "x", ""},
		"an interface":       {func(h Host) { detach(t, h, "1-4:1.1") }, "1-4:1.1", "give back usb:046d:c31c@1-4: the driver usbhid has it no more: plug it in again, or as root: echo 1-4:1.1 >/sys/bus/usb/drivers_probe"},
		"it was plugged out": {func(h Host) { must(t, os.RemoveAll(filepath.Join(h.Sys, "devices/1-4"))) }, "x", ""},
		"another in its place": {func(h Host) {
			must(t, os.WriteFile(filepath.Join(h.Sys, "devices/1-4/idProduct"), []byte("0001\n"), 0o644))
		}, "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := machine(t, desk)
			taken, err := h.Take(t.TempDir(), keyboard(t, h))
			must(t, err)
			c.change(h)
			err = taken.GiveBack()
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := probed(t, h); got != c.probed {
				t.Errorf("asked for drivers of %q, want %q", got, c.probed)
			}
		})
	}
}

// A run that was killed leaves a note, and no lock on it: the next one gives back what it had.
func TestRecover(t *testing.T) {
	h, dir := machine(t, desk), t.TempDir()
	if notes := h.Recover(filepath.Join(dir, "none")); len(notes) > 0 {
		t.Errorf("%q", notes)
	}
	taken, err := h.Take(dir, keyboard(t, h))
	must(t, err)
	taken.note.Close() // as the kernel does for a process that was killed
	detach(t, h, "1-4:1.0")
	notes := h.Recover(dir)
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "an earlier run was killed: give back usb:046d:c31c@1-4: the driver usbhid has it no more") || probed(t, h) != "1-4:1.0" {
		t.Errorf("%q, probed %q", notes, probed(t, h))
	}
	must(t, os.Symlink("../../../bus/usb/drivers/usbhid", filepath.Join(h.Sys, "devices/1-4/1-4:1.0/driver"))) // the kernel found one
	if notes := h.Recover(dir); len(notes) > 0 {
		t.Errorf("what is given back is given back again: %q", notes)
	}
	for _, text := range []string{"", "{", `{"at":"../../x","drivers":{"x":"y"}}`, strings.Repeat("x", 1<<20)} {
		must(t, os.WriteFile(filepath.Join(dir, "usb-1-4"), []byte(text), 0o600))
		if notes := h.Recover(dir); len(notes) > 0 || probed(t, h) != "1-4:1.0" {
			t.Errorf("%.40q: %q, probed %q", text, notes, probed(t, h))
		}
	}
}
