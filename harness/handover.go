package harness

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// A driver is proven on its device. The tester's own is handed to one guest after the other: of USB to a clone, once it runs; of
// PCI at power-on. It is taken before anything is built, kept while the run lasts, and given back at its end, or, where the run is
// killed, at the beginning of the next.

// handover is the tester's devices that one run has taken. The zero value is none.
type handover struct {
	taken []*hostdevice.Taken
	turn  chan struct{} // holds a token while no guest has them
}

// devicesDir is where what is taken is noted.
func (h *Harness) devicesDir() string { return filepath.Join(h.store.Dir(), "devices") }

// takeDevices finds and takes the devices that s asks for, and gives back those of runs that were killed. An error is the user's to cure.
func (h *Harness) takeDevices(ctx context.Context, s Spec, archs []string) (own handover, err error) {
	for _, note := range h.host.Recover(h.devicesDir()) {
		h.Notice(note)
	}
	asks, err := hostDevices(s)
	if err != nil || len(asks) == 0 {
		return own, err
	}
	found, err := h.host.FindAll(asks)
	for _, machine := range archs {
		if err != nil {
			break
		}
		err = vm.TryHandOver(ctx, machine, hasBus(found, hostdevice.USB), hasBus(found, hostdevice.PCI))
	}
	for _, d := range found {
		if err == nil && d.Bus == hostdevice.PCI {
			err = vm.AllowVFIO(d.Node, s.MemoryMiB)
		}
	}
	if err != nil {
		return own, cmp.Or(ctx.Err(), error(&UsageError{err}))
	}
	own.turn = make(chan struct{}, 1)
	own.turn <- struct{}{}
	for _, d := range found {
		t, err := h.host.Take(h.devicesDir(), d)
		if err != nil {
			h.giveBack(own)
			return handover{}, &UsageError{h.store.WithCure(err, "")}
		}
		own.taken = append(own.taken, t)
	}
	return own, nil
}

// giveBack lets this machine have its devices again. No guest is left.
func (h *Harness) giveBack(own handover) {
	for _, t := range own.taken {
		if err := t.GiveBack(); err != nil {
			h.Notice(err.Error())
		}
	}
}

// hostDevices are the devices that s asks for.
func hostDevices(s Spec) (asks []hostdevice.Ask, err error) {
	for _, text := range s.HostDevices {
		a, err := hostdevice.Parse(text)
		if err != nil {
			return nil, &UsageError{fmt.Errorf("--host-device %w", err)}
		}
		asks = append(asks, a)
	}
	return asks, nil
}

// handsUSB reports whether s asks for a USB device.
func (s Spec) handsUSB() bool {
	return slices.ContainsFunc(s.HostDevices, func(text string) bool { return strings.HasPrefix(text, hostdevice.USB+":") })
}

func hasBus(devices []hostdevice.Device, bus string) bool {
	return slices.ContainsFunc(devices, func(d hostdevice.Device) bool { return d.Bus == bus })
}

// pci are the addresses of the devices that are there from power-on.
func (o handover) pci() (all []string) {
	for _, t := range o.taken {
		if t.Bus == hostdevice.PCI {
			all = append(all, t.At)
		}
	}
	return all
}

// kinds are the devices without their places, as a guest can know them.
func (o handover) kinds() []string {
	return listOf(o.taken, func(t *hostdevice.Taken) string { return t.Kind() })
}

// devices are what a record says of them.
func (o handover) devices() []results.Device {
	return listOf(o.taken, func(t *hostdevice.Taken) results.Device {
		return results.Device{Bus: t.Bus, ID: t.ID, Own: true}
	})
}

// acquire waits until no other guest has the devices. release ends that; it is nil where ctx ended first.
func (o handover) acquire(ctx context.Context) (release func()) {
	if len(o.taken) == 0 {
		return func() {}
	}
	select {
	case <-o.turn:
		return func() { o.turn <- struct{}{} }
	case <-ctx.Done():
		return nil
	}
}

// toGuest plugs the USB devices into a guest that runs.
func (o handover) toGuest(ctx context.Context, plug func(ctx context.Context, number int, f *os.File) error) error {
	for i, t := range o.taken {
		if t.Bus != hostdevice.USB {
			continue
		}
		f, err := t.Open()
		if err == nil {
			err = plug(ctx, i, f)
			f.Close() // what QEMU has is a copy: the device is free when it ends
		}
		if err != nil {
			return fmt.Errorf("--host-device %s: %w", t.Device, err)
		}
	}
	return nil
}
