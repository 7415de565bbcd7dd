package vm

import (
	"fmt"
	"slices"
)

// Model is a device that QEMU emulates.
type Model struct {
	Row   string // for -device; one on the USB needs a controller besides
	Alias string // by which the kernel finds its driver, such as pci:v00001234d…
}

// Models are those that a driver may be written for, and that take no file, network or object of the host. The ids are as
// query-pci shows them, or as QEMU's hw/usb has them.
var Models = slices.Concat(
	pciModels(
		pciModel{"edu", 0x1234, 0x11e8, 0x00ff00},
		pciModel{"e1000", 0x8086, 0x100e, 0x020000}, pciModel{"e1000-82544gc", 0x8086, 0x100c, 0x020000}, pciModel{"e1000-82545em", 0x8086, 0x100f, 0x020000},
		pciModel{"e1000e", 0x8086, 0x10d3, 0x020000}, pciModel{"rtl8139", 0x10ec, 0x8139, 0x020000}, pciModel{"pcnet", 0x1022, 0x2000, 0x020000},
		pciModel{"i82551", 0x8086, 0x1209, 0x020000}, pciModel{"i82557b", 0x8086, 0x1229, 0x020000}, pciModel{"vmxnet3", 0x15ad, 0x07b0, 0x020000},
		pciModel{"ne2k_pci", 0x10ec, 0x8029, 0x020000}, pciModel{"tulip", 0x1011, 0x0019, 0x020000},
		pciModel{"AC97", 0x8086, 0x2415, 0x040100}, pciModel{"ES1370", 0x1274, 0x5000, 0x040100},
		pciModel{"ich9-intel-hda", 0x8086, 0x293e, 0x040300}, pciModel{"intel-hda", 0x8086, 0x2668, 0x040300},
		pciModel{"nvme,serial=1", 0x1b36, 0x0010, 0x010802}, pciModel{"ich9-ahci", 0x8086, 0x2922, 0x010601},
		pciModel{"lsi53c895a", 0x1000, 0x0012, 0x010000}, pciModel{"am53c974", 0x1022, 0x2020, 0x010000}, pciModel{"megasas", 0x1000, 0x0060, 0x010400},
		pciModel{"mptsas1068", 0x1000, 0x0054, 0x010000}, pciModel{"pvscsi", 0x15ad, 0x07c0, 0x010000}, pciModel{"sdhci-pci", 0x1b36, 0x0007, 0x080501},
		pciModel{"qemu-xhci", 0x1b36, 0x000d, 0x0c0330}, pciModel{"usb-ehci", 0x8086, 0x24cd, 0x0c0320}, pciModel{"pci-ohci", 0x106b, 0x003f, 0x0c0310},
		pciModel{"piix3-usb-uhci", 0x8086, 0x7020, 0x0c0300},
		pciModel{"bochs-display", 0x1234, 0x1111, 0x038000}, pciModel{"cirrus-vga", 0x1013, 0x00b8, 0x030000}, pciModel{"vmware-svga", 0x15ad, 0x0405, 0x030000},
		pciModel{"pci-serial", 0x1b36, 0x0002, 0x070002}, pciModel{"i6300esb", 0x8086, 0x25ab, 0x088000}, pciModel{"tpci200", 0x1498, 0x30c8, 0x068000},
		pciModel{"pvpanic-pci", 0x1b36, 0x0011, 0x088000}, pciModel{"pci-testdev", 0x1b36, 0x0005, 0x00ff00}),
	usbModels(
		usbModel{"usb-kbd", 0x0627, 0x0001, 0x030101}, usbModel{"usb-mouse", 0x0627, 0x0001, 0x030102}, usbModel{"usb-tablet", 0x0627, 0x0001, 0x030000},
		usbModel{"usb-wacom-tablet", 0x056a, 0x0000, 0x030102}, usbModel{"usb-serial", 0x0403, 0x6001, 0xffffff}, usbModel{"usb-audio", 0x46f4, 0x0002, 0x010100}),
	virtioModels(map[int]string{1: "virtio-net-pci", 3: "virtio-serial-pci", 4: "virtio-rng-pci", 5: "virtio-balloon-pci", 8: "virtio-scsi-pci",
		16: "virtio-gpu-pci", 18: "virtio-keyboard-pci"}),
)

type pciModel struct {
	row                   string
	vendor, device, class int
}

// pciModels have aliases as of scripts/mod/file2alias.c, do_pci_entry; QEMU's devices have the subsystem 1af4:1100.
func pciModels(list ...pciModel) (out []Model) {
	for _, m := range list {
		out = append(out, Model{m.row, fmt.Sprintf("pci:v%08Xd%08Xsv00001AF4sd00001100bc%02Xsc%02Xi%02X",
			m.vendor, m.device, m.class>>16, m.class>>8&0xff, m.class&0xff)})
	}
	return out
}

type usbModel struct {
	row                    string
	vendor, product, class int
}

// usbModels have aliases as of do_usb_entry. The row brings the controller that they hang on.
func usbModels(list ...usbModel) (out []Model) {
	for _, m := range list {
		out = append(out, Model{m.row, fmt.Sprintf("usb:v%04Xp%04Xd0000dc00dsc00dp00ic%02Xisc%02Xip%02Xin00",
			m.vendor, m.product, m.class>>16, m.class>>8&0xff, m.class&0xff)})
	}
	return out
}

func virtioModels(rows map[int]string) (out []Model) {
	for id := range 64 { // in order
		if rows[id] != "" {
			out = append(out, Model{rows[id], fmt.Sprintf("virtio:d%08Xv00001AF4", id)})
		}
	}
	return out
}
