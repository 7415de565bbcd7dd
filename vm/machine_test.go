package vm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

// The whole command line, once; the tests below only look at what differs.
func TestArgv(t *testing.T) {
	m := &Machine{Arch: "x86_64", Kernel: "/k,1", Initrd: "/i", Args: []string{"a=1"}}
	got := m.argv(backends{console: "socket,fd=4", report: "socket,fd=5", terminal: "null", monitor: "socket,fd=3"}, nil)
	want := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35",
		"-accel", "tcg", "-cpu", arch.All()[0].QEMU.CPU, "-smp", "1",
		"-m", "256M",
		"-kernel", "/k,1",
		"-append", "console=ttyS0 panic=-1 oops=panic ignore_loglevel printk.time=1 printk.devkmsg=on 8250.nr_uarts=4 sysrq_always_enabled " +
			"watchdog_thresh=55 rcupdate.rcu_cpu_stall_timeout=120 workqueue.watchdog_thresh=120 unknown_nmi_panic no_timer_check a=1",
		"-initrd", "/i",
		"-chardev", "socket,fd=4,id=console", "-serial", "chardev:console",
		"-chardev", "socket,fd=5,id=report", "-serial", "chardev:report",
		"-chardev", "null,id=terminal", "-serial", "chardev:terminal",
		"-chardev", "socket,fd=3,id=qmp", "-mon", "chardev=qmp,mode=control", "-S",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// Other machines differ in what their rows say: where the lines go, and what the disk is.
func TestArgvOfEveryArchitecture(t *testing.T) {
	b := backends{console: "c", report: "r", terminal: "t"}
	three := "-chardev c,id=console -serial chardev:console -chardev r,id=report -serial chardev:report -chardev t,id=terminal -serial chardev:terminal"
	one := "-chardev c,id=console -serial chardev:console -chardev r,id=report -chardev t,id=terminal"
	onPCI := "-device pci-serial,chardev=report -device pci-serial,chardev=terminal "
	for machine, want := range map[string][]string{
		"x86_64":  {"-machine q35 ", "console=ttyS0 ", "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + three},
		"i686":    {"-machine q35 ", "console=ttyS0 ", "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + three},
		"aarch64": {"-machine virt ", "console=ttyAMA0 ", onPCI + "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + one},
		"armv7l":  {"-machine virt,highmem=off ", "console=ttyAMA0 ", onPCI + "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + one},
		"riscv64": {"-machine virt ", "console=ttyS0 ", onPCI + "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + one},
		"s390x": {"-machine s390-ccw-virtio ", "console=ttysclp0 ",
			"-device virtio-serial-ccw -device virtserialport,chardev=report -device virtconsole,chardev=terminal -blockdev", "-device virtio-blk-ccw,drive=drive -device edu " + one},
		"ppc64le": {"-machine pseries ", "console=hvc0 ", "-blockdev", "-device virtio-blk-pci,drive=drive -device edu " + three},
	} {
		m := &Machine{Arch: machine, Kernel: "/k", Drive: "/d", Devices: []string{"edu"}}
		got := strings.ReplaceAll(strings.Join(m.argv(b, nil), " "), "-audiodev none,id=nowhere ", "")
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", machine, part, got)
			}
		}
	}
	if n := len(arch.All()); n != 7 {
		t.Errorf("%d architectures: say here what the machine of each is", n)
	}
}

// A template and its clone differ from any other guest in the memory alone, and from each other in who may write to it;
// a clone does not boot.
func TestArgvOfTemplates(t *testing.T) {
	m := &Machine{Arch: "x86_64", Kernel: "/k", Drive: "/d,1", MemoryMiB: 512}
	plain := strings.Join(m.argv(plainBackends, nil), " ")
	made := strings.Join(m.argv(plainBackends, &ramFile{path: "/t,1/ram", shared: true}), " ")
	clone := strings.Join(m.argv(plainBackends, &ramFile{path: "/t,1/ram"}), " ")
	if want := "-blockdev driver=file,node-name=drive,read-only=on,filename=/d,,1 -device virtio-blk-pci,drive=drive "; !strings.Contains(plain, want) {
		t.Errorf("no %q in %s", want, plain)
	}
	want := strings.Replace(plain, "-machine q35 ", "-machine q35,memory-backend=ram ", 1)
	want = strings.Replace(want, "-m 512M ", "-m 512M -object memory-backend-file,id=ram,size=512M,share=on,mem-path=/t,,1/ram ", 1)
	if made != want {
		t.Errorf("got\n%s\nwant\n%s", made, want)
	}
	boot, _, _ := strings.Cut(made[strings.Index(made, "-kernel"):], "-blockdev")
	want = strings.Replace(made, boot, "", 1)
	if want = strings.Replace(want, "share=on", "share=off", 1) + " -incoming defer"; clone != want {
		t.Errorf("got\n%s\nwant\n%s", clone, want)
	}
}

// plainBackends are those of a guest without channels.
var plainBackends = backends{console: "stdio", report: "null", terminal: "null"}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	kernel, empty := filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "empty")
	if err := os.WriteFile(kernel, []byte("MZ"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(m *Machine)
		want   string // in the error; empty for none
	}{
		"good":              {func(m *Machine) {}, ""},
		"quoted space":      {func(m *Machine) { m.Args = []string{`dyndbg="file foo.c +p"`} }, ""},
		"architecture":      {func(m *Machine) { m.Arch = "vax" }, `no machine for architecture "vax": known are ` + strings.Join(arch.Names(), ", ")},
		"no kernel":         {func(m *Machine) { m.Kernel = "" }, "without a kernel"},
		"kernel missing":    {func(m *Machine) { m.Kernel = dir + "/none" }, "no such file"},
		"kernel empty":      {func(m *Machine) { m.Kernel = empty }, "not a file with something in it"},
		"kernel a folder":   {func(m *Machine) { m.Kernel = dir }, "not a file with something in it"},
		"drive missing":     {func(m *Machine) { m.Drive = dir + "/none" }, "no such file"},
		"drive empty":       {func(m *Machine) { m.Drive = empty }, "whole sectors"},
		"half a sector":     {func(m *Machine) { m.Drive = kernel }, "whole sectors"},
		"initrd missing":    {func(m *Machine) { m.Initrd = dir + "/none" }, "no such file"},
		"negative memory":   {func(m *Machine) { m.MemoryMiB = -1 }, "negative"},
		"accelerator":       {func(m *Machine) { m.Accel.Name = "hax" }, `unknown accelerator "hax"`},
		"space":             {func(m *Machine) { m.Args = []string{"a b"} }, "outside of double quotes"},
		"open quote":        {func(m *Machine) { m.Args = []string{`a="b`} }, "ends within double quotes"},
		"line break":        {func(m *Machine) { m.Args = []string{"a\nb"} }, "control character"},
		"empty word":        {func(m *Machine) { m.Args = []string{""} }, "is empty"},
		"line of 2047":      {func(m *Machine) { fill(m, 2047) }, ""},
		"line of 2048":      {func(m *Machine) { fill(m, 2048) }, "kernel command line of 2049 bytes: x86_64 takes 2048"},
		"shell metas stand": {func(m *Machine) { m.Args = []string{"a=$(x);`y`,z"} }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := &Machine{Arch: "x86_64", Kernel: kernel}
			test.change(m)
			err := m.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// fill makes the command line n bytes long.
func fill(m *Machine, n int) {
	m.Args = []string{"x"}
	m.Args = []string{strings.Repeat("x", n-len(m.cmdline())+1)}
}

func TestCPUModel(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R): odd\nflags\t: a\n": "Intel(R) Xeon(R): odd",
		"processor\t: 0\n": "", "": "",
	} {
		if got := cpuModel(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
