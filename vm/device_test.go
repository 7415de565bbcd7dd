package vm

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

func TestCheckDevice(t *testing.T) {
	for _, row := range []string{"edu", "virtio-rng-pci", "qemu-xhci", "usb-mouse", "qemu-xhci,id=x,p2=8,p3=8", "usb-mouse,bus=x.0,port=1",
		"e1000,mac=52:54:00:12:34:56", "edu,addr=1e.0,dma_mask=0xffffffff", "pxb-pcie", "VGA", "sdhci-pci", "pci-testdev", "hda-output"} {
		if err := CheckDevice(row); err != nil {
			t.Errorf("%s: %v", row, err)
		}
	}
	for row, want := range map[string]string{
		"":                                     "write it as",
		"-S":                                   "write it as",
		"edu -S":                               "write it as",
		"edu\n":                                "write it as",
		`{"driver":"edu"}`:                     "write it as",
		"/etc/passwd":                          "write it as",
		"edu,":                                 "write KEY=VALUE",
		"edu,help":                             "write KEY=VALUE",
		"help":                                 "write it as",
		"edu,a=":                               "write KEY=VALUE",
		"edu,a=/x":                             "write KEY=VALUE",
		"edu,a=b=c":                            "write KEY=VALUE",
		"edu,a=b c":                            "write KEY=VALUE",
		"edu,,driver=loader":                   "write KEY=VALUE",
		"edu,driver=loader":                    "names a thing of the host",
		"edu,romfile=vmlinuz":                  "names a thing of the host",
		"loader,file=vmlinuz":                  "reaches out",
		"guest-loader,addr=1":                  "reaches out",
		"virtio-blk-pci,drive=drive":           "names a thing of the host",
		"isa-serial,chardev=qmp":               "names a thing of the host",
		"isa-serial,ChArDeV=qmp":               "names a thing of the host",
		"virtio-serial,x=1,chardev=qmp":        "names a thing of the host",
		"e1000,netdev=n":                       "names a thing of the host",
		"virtio-rng-pci,rng=r":                 "names a thing of the host",
		"pc-dimm,memdev=ram":                   "names a thing of the host",
		"vfio-pci,host=00:01.0":                "reaches out",
		"vfio-pci-nohotplug":                   "reaches out",
		"vhost-vsock-pci,guest-cid=3":          "reaches out",
		"vhost-vsock-pci,guest-cid=3,vhostfd=": "reaches out",
		"usb-host":                             "reaches out",
		"USB-HOST":                             "reaches out",
		"usb-mtp,rootdir=etc":                  "reaches out",
		"u2f-passthru,hidraw=hidraw0":          "reaches out",
		"ccid-card-emulated":                   "reaches out",
		"ivshmem-plain":                        "reaches out",
		"usb-braille,chardev=qmp":              "names a thing of the host",
		"virtio-net-pci,host_mtu=1":            "names a thing of the host",
	} {
		if err := CheckDevice(row); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", row, err, want)
		}
	}
}

// FuzzCheckDevice holds that nothing gets through that QEMU reads as anything but one row of plain options.
func FuzzCheckDevice(f *testing.F) {
	for _, row := range []string{"edu", "edu,addr=3", "edu,,file=x", "loader,file=x", "a,b", "edu,driver=loader"} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row string) {
		if CheckDevice(row) != nil {
			return
		}
		if strings.Contains(row, ",,") || strings.ContainsAny(row, "/\\{}\"' \n\x00$") || strings.HasPrefix(row, "-") {
			t.Errorf("%q gets through", row)
		}
		for _, option := range strings.Split(row, ",")[1:] {
			if key, value, ok := strings.Cut(option, "="); !ok || key == "driver" || key == "chardev" || key == "file" || value == "" {
				t.Errorf("%q gets through", row)
			}
		}
	})
}

func TestArgvOfDevices(t *testing.T) {
	m := &Machine{Arch: "x86_64", Kernel: "/k", Drive: "/d", Devices: []string{"qemu-xhci,id=x", "usb-mouse,bus=x.0"}}
	argv := strings.Join(m.argv(plainBackends, nil), " ")
	want := "-device virtio-blk-pci,drive=drive -audiodev none,id=nowhere -device qemu-xhci,id=x -device usb-mouse,bus=x.0 "
	if !strings.Contains(argv, want) {
		t.Errorf("no %q in %s", want, argv)
	}
	m.Devices = append(m.Devices, "usb-host")
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "usb-host") {
		t.Errorf("got %v", err)
	}
}

// QEMU itself is asked whether it has a device, and answers with its own words.
func TestTryDevices(t *testing.T) {
	if _, err := exec.LookPath(arch.Host().QEMU.Binary); err != nil {
		t.Skip("QEMU is not installed")
	}
	for _, tt := range []struct{ rows, want string }{
		{"", ""}, {"edu", ""}, {"edu edu", ""}, {"qemu-xhci,id=x usb-mouse,bus=x.0", ""}, {"intel-hda hda-duplex", ""}, {"e1000", ""},
		{"edux", "edux: 'edux' is not a valid device model name"},
		{"edu,colour=red", "edu,colour=red: Property 'edu.colour' not found"},
		{"usb-mouse", "usb-mouse: No 'usb-bus' bus found for device 'usb-mouse'"},
		{"usb-host", "reaches out"},
	} {
		err := TryDevices(context.Background(), "x86_64", strings.Fields(tt.rows), nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.rows, err, tt.want)
		}
	}
}
