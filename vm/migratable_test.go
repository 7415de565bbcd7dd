package vm

import (
	"errors"
	"testing"
)

func TestWhatQEMUForbidsIsNotTriedAgain(t *testing.T) {
	for text, want := range map[string]bool{
		"State blocked by non-migratable device '0000:00:03.0/nvme'": true,
		"QEMU did not save the guest in time":                        false,
	} {
		err := errors.New(text)
		if got := unsaved(err); errors.Is(got, ErrUnsaved) != want || !errors.Is(got, err) {
			t.Errorf("%s: %v", text, got)
		}
	}
	if unsaved(nil) != nil {
		t.Error("an error out of nothing")
	}
}

func TestMissingFrom(t *testing.T) {
	device := func(slot, function int, behind ...pciDevice) pciDevice {
		d := pciDevice{Slot: slot, Function: function}
		d.Bridge.Devices = behind
		return d
	}
	state := []byte("..0000:00:00.0/mch..0000:00:1f.2/ich9_ahci..0000:00:02.0/pcie-root-port..0000:00:02.0:00.0/e1000..")
	for name, tt := range map[string]struct {
		devices []pciDevice
		slot    int // -1: none is missing
	}{
		"none":                  {nil, -1},
		"all are there":         {[]pciDevice{device(0, 0), device(0x1f, 2), device(2, 0, device(0, 0))}, -1},
		"one is not":            {[]pciDevice{device(0, 0), device(3, 0)}, 3},
		"another function":      {[]pciDevice{device(0x1f, 3)}, 0x1f},
		"one behind a bridge":   {[]pciDevice{device(2, 0, device(0, 0), device(4, 0))}, 4},
		"a slot is hexadecimal": {[]pciDevice{device(31, 2), device(0x12, 0)}, 0x12},
	} {
		d, ok := missingFrom(state, "0000:00:", tt.devices)
		if ok != (tt.slot >= 0) || ok && d.Slot != tt.slot {
			t.Errorf("%s: %+v %v", name, d, ok)
		}
	}
}
