package config

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
)

func TestDevicesOfFlagsWin(t *testing.T) {
	c := Default()
	c.Guest.Devices, c.Guest.Modules = []string{"edu"}, []string{"gpio-sim"}
	for _, tt := range []struct{ flags, want string }{{"", "edu"}, {"e1000 VGA", "e1000 VGA"}} {
		s, err := c.Spec(Flags{Spec: harness.Spec{Devices: strings.Fields(tt.flags)}})
		if got := strings.Join(s.Devices, " "); err != nil || got != tt.want || len(s.Modules) != 1 {
			t.Errorf("%q: %q %q %v", tt.flags, got, s.Modules, err)
		}
	}
	_, err := c.Spec(Flags{Spec: harness.Spec{Devices: []string{"isa-serial,chardev=qmp"}}})
	if _, ok := err.(*harness.UsageError); !ok || !strings.HasPrefix(err.Error(), `--device: device "isa-serial,chardev=qmp": the option chardev`) {
		t.Errorf("%T %v", err, err)
	}
}

func TestDevicesToPlugIn(t *testing.T) {
	for rows, want := range map[string]string{
		"kbd=usb-kbd": "", "kbd": "write it as", "=edu": "is no name", "a=edu a=edu": "declared twice",
		"a=edu b=edu c=edu d=edu e=edu f=edu g=edu h=edu i=edu": "at most 8", "a=usb-host": "reaches out",
	} {
		if got := badPlug(strings.Fields(rows)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", rows, got, want)
		}
	}
}
