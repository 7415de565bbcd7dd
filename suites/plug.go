package suites

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// findTime is how long a kernel may take to find or remove a device: a second for USB, emulated on a busy host.
const findTime = 30 * time.Second

// Plugs are the names of the devices that modmatrix.toml declares under [guest.plug], sorted. The errors are those of Plan.
func Plugs() ([]string, error) {
	plan, err := Plan()
	return slices.Sorted(slices.Values(plan.Plugs)), err
}

// plugged are the devices that Plug added, as paths in sysfs, by name.
var plugged = struct {
	sync.Mutex
	devices map[string][]string
}{devices: map[string][]string{}}

// Plug plugs in the device that modmatrix.toml declares under that name in [guest.plug], and waits until the kernel has
// found it: it is in /sys/bus, and is about to be probed. Wait for a driver to bind it with
//
//	Expect(suites.Plug("kbd")).To(Succeed())
//	Eventually(suites.Module("mykbd").Devices, "15s").Should(HaveLen(1))
//
// It fails where there is no such name, where the device is plugged in already, where QEMU refuses it, or where the kernel
// does not find it. A device that a suite leaves plugged in is pulled before the modules are unloaded.
func Plug(name string) error {
	plugged.Lock()
	defer plugged.Unlock()
	before := busDevices()
	if err := askHost(wire.KindPlug, name); err != nil {
		return err
	}
	for deadline := time.Now().Add(findTime); ; time.Sleep(pollInterval) {
		found := slices.DeleteFunc(busDevices(), func(path string) bool { return slices.Contains(before, path) })
		if len(found) > 0 {
			plugged.devices[name] = found
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("plug in %s: it is plugged in, but the kernel has found no device in %v: is there a driver for its bus, as xhci_pci for USB?", name, findTime)
		}
	}
}

// Unplug pulls the device without notice, as a user would, and waits until the kernel has removed it: the driver has
// returned from its remove function. It fails where the device was not plugged in, or where remove hangs.
func Unplug(name string) error {
	plugged.Lock()
	defer plugged.Unlock()
	if err := askHost(wire.KindUnplug, name); err != nil {
		return err
	}
	there := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	for deadline := time.Now().Add(findTime); slices.ContainsFunc(plugged.devices[name], there); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			return fmt.Errorf("pull %s: it is pulled, but the kernel still has %s after %v: does the driver's remove hang?", name, strings.Join(plugged.devices[name], ", "), findTime)
		}
	}
	delete(plugged.devices, name)
	return nil
}

// askHost returns when the host has done or refused it.
func askHost(kind wire.Kind, name string) error {
	if host == nil {
		return fmt.Errorf("%s %s: %w", kind, name, ErrNoPlan)
	}
	return host.Write(wire.Frame{Kind: kind, Text: name})
}

func busDevices() []string {
	found, _ := filepath.Glob("/sys/bus/*/devices/*") // only a bad pattern is an error
	return found
}

// Drivers are the drivers that the module has registered, such as "pci:edu"; none while it is not loaded.
func (m *KernelModule) Drivers() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(m.Dir(), "drivers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read drivers of %s: %w", m.name, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// Devices are the devices that are bound to the module's drivers, as paths in /sys/devices, sorted.
func (m *KernelModule) Devices() ([]string, error) {
	drivers, err := m.Drivers()
	if err != nil {
		return nil, err
	}
	var devices []string
	for _, driver := range drivers {
		dir := filepath.Join(m.Dir(), "drivers", driver)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read devices of %s: %w", m.name, err)
		}
		for _, e := range entries {
			path, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
			if err == nil && e.Type() == fs.ModeSymlink && strings.HasPrefix(path, "/sys/devices/") { // not the link to its module
				devices = append(devices, path)
			}
		}
	}
	slices.Sort(devices)
	return slices.Compact(devices), nil
}
