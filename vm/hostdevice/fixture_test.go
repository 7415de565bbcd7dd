package hostdevice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a computer that exists as folders. Lines are "PATH CONTENT", "PATH -> TARGET" for a link, and "PATH/" for a folder.
func machine(t *testing.T, lines string) Host {
	t.Helper()
	root := t.TempDir()
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, content, _ := strings.Cut(line, " ")
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		target, link := strings.CutPrefix(content, "-> ")
		switch {
		case link:
			must(t, os.MkdirAll(filepath.Join(filepath.Dir(path), target), 0o755))
			must(t, os.Symlink(target, path))
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte(content+"\n"), 0o644))
		}
	}
	return Host{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev"), Proc: filepath.Join(root, "proc")}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// desk has a keyboard, two equal adapters behind a hub, and a stick that is mounted.
const desk = `
sys/bus/usb/devices/usb1/idVendor 1d6b
sys/bus/usb/devices/usb1/idProduct 0002
sys/bus/usb/devices/1-4 -> ../../../devices/1-4
sys/devices/1-4/idVendor 046d
sys/devices/1-4/idProduct c31c
sys/devices/1-4/manufacturer Logitech
sys/devices/1-4/product Keyboard K120
sys/devices/1-4/serial SECRET-1
sys/devices/1-4/busnum 1
sys/devices/1-4/devnum 7
sys/devices/1-4/bDeviceClass 00
sys/devices/1-4/bConfigurationValue 1
sys/devices/1-4/1-4:1.0/driver -> ../../../bus/usb/drivers/usbhid
sys/devices/1-4/1-4:1.1/driver -> ../../../bus/usb/drivers/usbhid
sys/devices/1-4/1-4:1.2/bInterfaceNumber 02
dev/bus/usb/001/007 node
sys/bus/usb/drivers_probe x
sys/bus/usb/devices/1-5 -> ../../../devices/1-5
sys/devices/1-5/idVendor 05e3
sys/devices/1-5/idProduct 0610
sys/devices/1-5/bDeviceClass 09
sys/bus/usb/devices/1-5.1 -> ../../../devices/1-5.1
sys/devices/1-5.1/idVendor 0bda
sys/devices/1-5.1/idProduct 8153
sys/devices/1-5.1/busnum 1
sys/devices/1-5.1/devnum 9
dev/bus/usb/001/009 node
sys/bus/usb/devices/1-5.2 -> ../../../devices/1-5.2
sys/devices/1-5.2/idVendor 0bda
sys/devices/1-5.2/idProduct 8153
sys/devices/1-5.2/busnum 1
sys/devices/1-5.2/devnum 10
dev/bus/usb/001/010 node
sys/bus/usb/devices/2-1 -> ../../../devices/2-1
sys/devices/2-1/idVendor 0781
sys/devices/2-1/idProduct 5581
sys/devices/2-1/busnum 2
sys/devices/2-1/devnum 3
sys/devices/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1/dev 8:17
proc/self/mountinfo 36 25 8:17 / /media/stick rw - vfat /dev/sdb1 rw
dev/bus/usb/002/003 node
`

// rack has a network card that vfio-pci has, with a second function that a driver has, a card that is free of others, and one that a
// driver has; the last is behind no IOMMU.
const rack = `
sys/bus/pci/devices/0000:03:00.0/vendor 0x8086
sys/bus/pci/devices/0000:03:00.0/device 0x1533
sys/bus/pci/devices/0000:03:00.0/class 0x020000
sys/bus/pci/devices/0000:03:00.0/driver -> ../../drivers/vfio-pci
sys/bus/pci/devices/0000:03:00.0/iommu_group -> ../../../../kernel/iommu_groups/12
sys/kernel/iommu_groups/12/devices/0000:03:00.0/
sys/kernel/iommu_groups/12/devices/0000:00:1c.0/
sys/kernel/iommu_groups/12/devices/0000:03:00.2/
sys/bus/pci/devices/0000:03:00.2/class 0x0c0330
sys/bus/pci/devices/0000:00:1c.0/vendor 0x8086
sys/bus/pci/devices/0000:00:1c.0/class 0x060400
sys/bus/pci/devices/0000:00:1c.0/driver -> ../../drivers/pcieport
dev/vfio/12 node
sys/bus/pci/devices/0000:04:00.0/vendor 0x10de
sys/bus/pci/devices/0000:04:00.0/device 0x1eb8
sys/bus/pci/devices/0000:04:00.0/class 0x030000
sys/bus/pci/devices/0000:04:00.0/driver -> ../../drivers/vfio-pci
sys/bus/pci/devices/0000:04:00.0/iommu_group -> ../../../../kernel/iommu_groups/13
sys/kernel/iommu_groups/13/devices/0000:04:00.0/
sys/kernel/iommu_groups/13/devices/0000:04:00.1/
sys/bus/pci/devices/0000:04:00.1/class 0x040300
sys/bus/pci/devices/0000:04:00.1/driver -> ../../drivers/snd_hda_intel
sys/bus/pci/devices/0000:05:00.0/vendor 0x14e4
sys/bus/pci/devices/0000:05:00.0/device 0x43a0
sys/bus/pci/devices/0000:05:00.0/class 0x028000
sys/bus/pci/devices/0000:05:00.0/driver -> ../../drivers/brcmfmac
sys/bus/pci/devices/0000:05:00.0/iommu_group -> ../../../../kernel/iommu_groups/14
sys/bus/pci/devices/0000:06:00.0/class 0x010802
sys/bus/pci/devices/0000:06:00.0/driver -> ../../drivers/nvme
sys/bus/pci/devices/0000:07:00.0/class 0x010802
sys/bus/pci/devices/0000:07:00.0/driver -> ../../drivers/vfio-pci
sys/bus/pci/devices/0000:07:00.0/iommu_group -> ../../../../kernel/iommu_groups/15
`
