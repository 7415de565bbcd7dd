package vm

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

func TestPlugCheck(t *testing.T) {
	for _, p := range []Plug{{"kbd", "usb-kbd"}, {"edu", "edu,dma_mask=0xff"}, {"a-b_2", "usb-mouse,bus=x.0,port=1"}} {
		if err := p.Check(); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	for p, want := range map[Plug]string{
		{"", "edu"}:                        "no name for a device",
		{"-S", "edu"}:                      "no name for a device",
		{"a b", "edu"}:                     "no name for a device",
		{"a,bus=x", "edu"}:                 "no name for a device",
		{strings.Repeat("x", 33), "edu"}:   "no name for a device",
		{"x", "edu,id=y"}:                  "leave the id out",
		{"x", "edu,ID=y"}:                  "leave the id out",
		{"x", "usb-host"}:                  "reaches out",
		{"x", "virtio-blk-pci,drive=home"}: "names a thing of the host",
		{"x", "edu quit"}:                  "write it as",
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", p, err, want)
		}
	}
}

func TestArgvOfSockets(t *testing.T) {
	m := &Machine{Arch: "x86_64", Kernel: "/k", Devices: []string{"edu"}, Plugs: []Plug{
		{"kbd", "usb-kbd"}, {"one", "edu"}, {"own", "usb-mouse,bus=x.0"}, {"two", "usb-ehci"}, {"tablet", "usb-tablet"}}}
	argv := strings.Join(m.argv(plainBackends, nil), " ")
	want := " -device edu -device pcie-root-port,id=port-one,chassis=2 -device pcie-root-port,id=port-two,chassis=4 -device qemu-xhci,id=plugs,p2=8,p3=8 "
	if !strings.Contains(argv, want) {
		t.Errorf("no %q in %s", want, argv)
	}
	for i, want := range []string{"usb-kbd,id=plug-kbd,bus=plugs.0", "edu,id=plug-one,bus=port-one", "usb-mouse,bus=x.0,id=plug-own"} {
		if got := m.Plugs[i].row(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	m.Plugs = append(m.Plugs, Plug{"one", "e1000"})
	if err := m.Validate(); err == nil || err.Error() != "two devices to be plugged in are named one" {
		t.Errorf("got %v", err)
	}
	m.Plugs = append(m.Plugs, m.Plugs...)
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "at most 8") {
		t.Errorf("got %v", err)
	}
}

// A guest that was saved with a socket must be restored with it, whatever is plugged into it.
func TestSocketsAreInTheKey(t *testing.T) {
	plain := func(plugs ...Plug) string {
		return strings.Join((&Machine{Arch: "x86_64", Kernel: "/k", Plugs: plugs}).withoutPaths(), " ")
	}
	if plain() == plain(Plug{"x", "edu"}) || plain(Plug{"x", "edu"}) == plain(Plug{"x", "usb-kbd"}) {
		t.Error("sockets are not in the key")
	}
	if plain(Plug{"x", "edu"}) != plain(Plug{"x", "e1000"}) {
		t.Error("the devices are in the key")
	}
}

func TestComplaint(t *testing.T) {
	for text, want := range map[string]string{"": "", "\r\n": "", "Error: no bus\r\n": "no bus", "a\nb": "a"} {
		err := complaint(text)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTryPlugs(t *testing.T) {
	if _, err := exec.LookPath(arch.Host().QEMU.Binary); err != nil {
		t.Skip("QEMU is not installed")
	}
	for _, tt := range []struct {
		rows  string
		plugs []Plug
		want  string
	}{
		{"", []Plug{{"edu", "edu"}, {"kbd", "usb-kbd"}, {"net", "e1000"}, {"mouse", "usb-mouse"}}, ""},
		{"qemu-xhci,id=x", []Plug{{"kbd", "usb-kbd,bus=x.0"}}, ""},
		{"", []Plug{{"edu", "edu"}, {"x", "edux"}}, "x (edux): 'edux' is not a valid device model name"},
		{"", []Plug{{"x", "isa-serial"}}, "x (isa-serial): Device 'isa-serial' can't go on PCIE bus"},
		{"", []Plug{{"x", "usb-kbd,bus=no.0"}}, "x (usb-kbd,bus=no.0): Bus 'no.0' not found"},
		{"edux", []Plug{{"x", "edu"}}, "'edux' is not a valid device model name"},
	} {
		err := TryDevices(context.Background(), "x86_64", strings.Fields(tt.rows), tt.plugs)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s %v: %v, want %q", tt.rows, tt.plugs, err, tt.want)
		}
	}
}
