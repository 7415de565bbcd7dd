package hostdevice

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	pciDevices = "bus/pci/devices"
	vfio       = "vfio-pci"
)

// bridge begins the class of what other devices are behind (Linux include/linux/pci_ids.h). VFIO leaves such a device to its driver.
const bridge = "0x0604"

func (h Host) pciDir(at string) string { return h.sys(filepath.Join(pciDevices, at)) }

func (h Host) findPCI(a Ask) (Device, error) {
	dir := h.pciDir(a.At)
	if _, err := os.Stat(dir); err != nil {
		return Device{}, fmt.Errorf("there is no PCI device at that address; there %s", listed(h.allPCI(), "is none at all that this system shows"))
	}
	number := func(name string) string { return strings.TrimPrefix(attribute(dir, name), "0x") }
	d := Device{Bus: PCI, At: a.At, ID: number("vendor") + ":" + number("device")}
	group := linked(dir, "iommu_group")
	switch driver := linked(dir, "driver"); {
	case strings.HasPrefix(attribute(dir, "class"), bridge):
		return Device{}, fmt.Errorf("it is a bridge: name the device behind it")
	case group == "":
		return Device{}, fmt.Errorf("the IOMMU is off, without which a guest's device could read all of this machine's memory: switch VT-d or AMD-Vi on in the firmware's setup, and boot with intel_iommu=on where the processor is Intel's")
	case driver != vfio:
		return Device{}, fmt.Errorf("%s has it: as root, give it to %s by: %s; the way back is: %s", driverWord(driver), vfio, handOver(d.At, driver), handBack(d.At))
	}
	if err := h.groupFree(d, group); err != nil {
		return Device{}, err
	}
	d.Node = h.dev(filepath.Join("vfio", group))
	if _, err := os.Stat(d.Node); err != nil {
		return Device{}, fmt.Errorf("there is no %s: a container needs /dev/vfio of its host", d.Node)
	}
	return d, nil
}

// groupFree returns an error unless every other device of d's IOMMU group is out of this machine's use: the IOMMU cannot keep them apart.
func (h Host) groupFree(d Device, group string) error {
	for _, other := range names(h.sys(filepath.Join("kernel/iommu_groups", group, "devices"))) {
		dir := h.pciDir(other)
		driver := linked(dir, "driver")
		unused := slices.Contains([]string{"", vfio, "pci-stub"}, driver)
		if other == d.At || unused || strings.HasPrefix(attribute(dir, "class"), bridge) {
			continue
		}
		return fmt.Errorf("the IOMMU cannot keep it apart from pci:%s (%s), which is of the same group %s: give that to %s as well, as root, by: %s",
			strings.TrimPrefix(other, "0000:"), driver, group, vfio, handOver(other, driver))
	}
	return nil
}

func driverWord(driver string) string {
	if driver == "" {
		return "no driver"
	}
	return "the driver " + driver
}

// handOver are the commands that give a PCI device to vfio-pci, for its owner to run.
func handOver(at, driver string) string {
	commands := fmt.Sprintf("modprobe %s; echo %[1]s >/sys/bus/pci/devices/%[2]s/driver_override; ", vfio, at)
	if driver != "" {
		commands += fmt.Sprintf("echo %s >/sys/bus/pci/drivers/%s/unbind; ", at, driver)
	}
	return commands + fmt.Sprintf("echo %s >/sys/bus/pci/drivers_probe", at)
}

// handBack are those that give it back to its own driver.
func handBack(at string) string {
	return fmt.Sprintf("echo >/sys/bus/pci/devices/%[1]s/driver_override; echo %[1]s >/sys/bus/pci/drivers/%[2]s/unbind; echo %[1]s >/sys/bus/pci/drivers_probe", at, vfio)
}

// allPCI lists the devices that could be meant.
func (h Host) allPCI() (all []string) {
	for _, at := range names(h.sys(pciDevices)) {
		dir := h.pciDir(at)
		if class := attribute(dir, "class"); !strings.HasPrefix(class, "0x06") {
			all = append(all, fmt.Sprintf("pci:%s (%s:%s)", strings.TrimPrefix(at, "0000:"), strings.TrimPrefix(attribute(dir, "vendor"), "0x"), strings.TrimPrefix(attribute(dir, "device"), "0x")))
		}
	}
	return all
}
