package vm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// The key changes with everything that a clone cannot have different, and with nothing else.
func TestTemplateKey(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Repeat(name[:1], size)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base := vm.Machine{Arch: "x86_64", Kernel: file("k1", 3), Initrd: file("i1", 3), Drive: file("d1", 512), Args: []string{"a"}}
	key := func(m vm.Machine, qemu string) string {
		t.Helper()
		k, err := m.TemplateKey(qemu)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key(base, "7.2.22")
	same := map[string]func(m *vm.Machine){
		"nothing":      func(m *vm.Machine) {},
		"defaults":     func(m *vm.Machine) { m.MemoryMiB, m.CPUs, m.Accel.Name = vm.DefaultMemoryMiB, vm.DefaultCPUs, "tcg" },
		"paths":        func(m *vm.Machine) { m.Kernel, m.Initrd, m.Drive = file("k2", 3), file("i2", 3), file("e2", 512) },
		"what listens": func(m *vm.Machine) { m.Console, m.Terminal = os.Stdout, os.Stdout },
	}
	for name, change := range same {
		m := base
		if change(&m); key(m, "7.2.22") != first {
			t.Errorf("%s: another key", name)
		}
	}
	seen := map[string]string{first: "nothing", key(base, "7.2.23"): "QEMU"}
	for name, change := range map[string]func(m *vm.Machine){
		"kernel":    func(m *vm.Machine) { m.Kernel = file("x", 3) },
		"initrd":    func(m *vm.Machine) { m.Initrd = file("y", 3) },
		"no initrd": func(m *vm.Machine) { m.Initrd = "" },
		"drive":     func(m *vm.Machine) { m.Drive = file("d3", 1024) },
		"no drive":  func(m *vm.Machine) { m.Drive = "" },
		"words":     func(m *vm.Machine) { m.Args = []string{"b"} },
		"devices":   func(m *vm.Machine) { m.Devices = []string{"edu"} },
		"memory":    func(m *vm.Machine) { m.MemoryMiB = 512 },
		"cpus":      func(m *vm.Machine) { m.CPUs = 2 },
		"cpu":       func(m *vm.Machine) { m.Accel.CPU = "qemu64" },
		"kvm":       func(m *vm.Machine) { m.Accel = vm.Accel{Name: "kvm", CPU: "host"} },
	} {
		m := base
		change(&m)
		k := key(m, "7.2.22")
		if seen[k] != "" {
			t.Errorf("%s has the key of %s", name, seen[k])
		}
		seen[k] = name
	}
	// A file that changed in place is read again.
	old := time.Now().Add(-time.Hour)
	if err := errors.Join(os.WriteFile(base.Kernel, []byte("kkK"), 0o600), os.Chtimes(base.Kernel, old, old)); err != nil {
		t.Fatal(err)
	}
	if key(base, "7.2.22") == first {
		t.Error("another kernel at the same place has the same key")
	}
	if _, err := (&vm.Machine{Arch: "x86_64"}).TemplateKey("7.2.22"); err == nil {
		t.Error("a machine without a kernel has a key")
	}
}
