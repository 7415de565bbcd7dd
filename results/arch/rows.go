package arch

import "debug/elf"

// onPCI are the kernel's modules of a virtio disk on PCI.
var onPCI = []string{"virtio_pci", "virtio_blk"}

// rows are in the order in which a matrix shows them.
var rows = []Arch{
	{
		Name: "x86_64", Debian: "amd64", Go: "amd64", GoEnv: "GOAMD64=v1", Kbuild: "x86", Triplet: "x86_64-linux-gnu",
		Flavour: "amd64", Realtime: "rt-amd64", Stem: "amd64", Bits: 64, ELF: elf.EM_X86_64,
		Args: [2]string{"$rdi", "$rsi"},
		QEMU: pc("qemu-system-x86_64", ""),
		Kernel: Kernel{Marks: []string{"X86_64"}, Image: "arch/x86/boot/bzImage", Target: "bzImage", Defconfig: "defconfig",
			Needs: []string{"64BIT", "ACPI", "SERIAL_8250", "SERIAL_8250_CONSOLE"}},
	},
	{
		Name: "i686", Debian: "i386", Go: "386", GoEnv: "GO386=sse2", Kbuild: "x86", Triplet: "i686-linux-gnu",
		Flavour: "686-pae", Realtime: "rt-686-pae", Stem: "686", Bits: 32, ELF: elf.EM_386,
		Args: [2]string{"$eax", "$edx"}, // -mregparm=3 (Linux arch/x86/Makefile)
		// By itself it is an AMD of family 6, an Athlon, of which two in one machine make the kernel WARN (Linux arch/x86/kernel/cpu/amd.c,
		// init_amd_k7). This is the family and model of qemu64, a K8.
		QEMU: pc("qemu-system-i386", ",family=15,model=107"),
		Kernel: Kernel{Marks: []string{"X86_32"}, Image: "arch/x86/boot/bzImage", Target: "bzImage", Defconfig: "i386_defconfig",
			Needs: []string{"ACPI", "SERIAL_8250", "SERIAL_8250_CONSOLE"}},
	},
	{
		Name: "aarch64", Debian: "arm64", Go: "arm64", GoEnv: "GOARM64=v8.0", Kbuild: "arm64", Triplet: "aarch64-linux-gnu",
		Flavour: "arm64", Realtime: "rt-arm64", Stem: "arm64", Bits: 64, ELF: elf.EM_AARCH64,
		Args: [2]string{"$x0", "$x1"},
		QEMU: QEMU{ // a cortex-a57 has no pages of 16 KiB, and a kernel of arm64-16k stops on it before its first word
			Binary: "qemu-system-aarch64", Package: "qemu-system-arm", Machine: "virt", CPU: "cortex-a76", Console: "ttyAMA0", MaxCmdline: 2048,
			// The board has one serial port, a PL011; stock kernels have the driver of 8250 ports on PCI built in (SERIAL_8250_PCI).
			Report: Line{"pci-serial", "ttyS0"}, Terminal: Line{"pci-serial", "ttyS1"},
			Disk: "virtio-blk-pci", DiskModules: onPCI,
		},
		Kernel: Kernel{Marks: []string{"ARM64"}, Image: "arch/arm64/boot/Image", Target: "Image", Defconfig: "defconfig",
			Needs: []string{"64BIT", "PCI", "PCI_HOST_GENERIC", "SERIAL_AMBA_PL011", "SERIAL_AMBA_PL011_CONSOLE", "SERIAL_8250", "SERIAL_8250_PCI"}},
	},
	{
		Name: "armv7l", Debian: "armhf", Go: "arm", GoEnv: "GOARM=7", Kbuild: "arm", Triplet: "arm-linux-gnueabihf",
		Flavour: "armmp", Realtime: "rt-armmp", Stem: "armmp", Bits: 32, ELF: elf.EM_ARM,
		Args: [2]string{"$r0", "$r1"},
		QEMU: QEMU{
			// Without highmem=off the PCI bus lies above 4 GiB, which a kernel without LPAE cannot reach (QEMU docs/system/arm/virt.rst).
			Binary: "qemu-system-arm", Package: "qemu-system-arm", Machine: "virt,highmem=off", CPU: "cortex-a15", Console: "ttyAMA0", MaxCmdline: 1024,
			Report: Line{"pci-serial", "ttyS0"}, Terminal: Line{"pci-serial", "ttyS1"}, // as on arm64
			Disk: "virtio-blk-pci", DiskModules: onPCI,
		},
		Kernel: Kernel{Marks: []string{"ARM", "CPU_V7"}, Image: "arch/arm/boot/zImage", Target: "zImage", Defconfig: "multi_v7_defconfig",
			Needs: []string{"PCI", "PCI_HOST_GENERIC", "SERIAL_AMBA_PL011", "SERIAL_AMBA_PL011_CONSOLE", "SERIAL_8250", "SERIAL_8250_PCI", "VFP"}},
	},
	{
		Name: "riscv64", Debian: "riscv64", Go: "riscv64", GoEnv: "GORISCV64=rva20u64", Kbuild: "riscv", Triplet: "riscv64-linux-gnu",
		Flavour: "riscv64", Stem: "riscv64", Bits: 64, ELF: elf.EM_RISCV,
		Args: [2]string{"$a0", "$a1"},
		QEMU: QEMU{
			Binary: "qemu-system-riscv64", Package: "qemu-system-misc", Machine: "virt", CPU: "rv64", Console: "ttyS0", MaxCmdline: 1024,
			Report: Line{"pci-serial", "ttyS1"}, Terminal: Line{"pci-serial", "ttyS2"},
			Disk: "virtio-blk-pci", DiskModules: onPCI,
			// A clone's timer does not fire until the kernel sets it anew, which it may never do: RCU stood still in one of two clones
			// (QEMU hw/intc/riscv_aclint.c, vmstate_riscv_mtimer, up to 10.1: it saves the time to compare with, and no timer).
			NoTemplate:      "QEMU does not save the timer of its processor",
			ExitsAtPowerOff: true, // QEMU hw/misc/sifive_test.c, as of 7.2
		},
		Kernel: Kernel{Marks: []string{"RISCV", "64BIT"}, Image: "arch/riscv/boot/Image", Target: "Image", Defconfig: "defconfig",
			Needs: []string{"PCI", "PCI_HOST_GENERIC", "SERIAL_OF_PLATFORM", "SERIAL_8250", "SERIAL_8250_CONSOLE", "SERIAL_8250_PCI"}},
	},
	{
		Name: "s390x", Debian: "s390x", Go: "s390x", Kbuild: "s390", Triplet: "s390x-linux-gnu",
		Flavour: "s390x", Stem: "s390x", Bits: 64, BigEndian: true, ELF: elf.EM_S390,
		Args: [2]string{"$r2", "$r3"},
		QEMU: QEMU{
			Binary: "qemu-system-s390x", Package: "qemu-system-misc", Machine: "s390-ccw-virtio", CPU: "max", Console: "ttysclp0", MaxCmdline: 4096,
			Bus: "virtio-serial-ccw", Report: Line{"virtserialport", "vport*p1"}, Terminal: Line{"virtconsole", "hvc0"},
			LineModules: []string{"virtio_console"}, Disk: "virtio-blk-ccw", DiskModules: []string{"virtio_blk"},
			LosesInterrupts: true,   // QEMU hw/intc/s390_flic.c, qemu_s390_flic_vmstate, as of 7.2
			SysRq:           "\x0f", // Linux drivers/s390/char/sclp_vt220.c, sclp_vt220_handle_input
			// No NMI: a restart interruption ends the guest without a word (Linux arch/s390/kernel/ipl.c, do_restart).
			NoPlug: "QEMU has no PCI Express ports for it", NoUSB: "QEMU has no USB controller for it",
		},
		Kernel: Kernel{Marks: []string{"S390", "64BIT"}, Image: "arch/s390/boot/bzImage", Target: "bzImage", Defconfig: "defconfig",
			Needs: []string{"SCLP_VT220_TTY", "SCLP_VT220_CONSOLE", "S390_GUEST", "VIRTIO_CONSOLE"}},
	},
	{
		Name: "ppc64le", Debian: "ppc64el", Go: "ppc64le", GoEnv: "GOPPC64=power8", Kbuild: "powerpc", Triplet: "powerpc64le-linux-gnu",
		Flavour: "powerpc64le", Stem: "powerpc64le", Bits: 64, ELF: elf.EM_PPC64,
		Args: [2]string{"$r3", "$r4"}, Entry: 8, // behind the two instructions that set the table of contents up
		QEMU: QEMU{
			Binary: "qemu-system-ppc64", Package: "qemu-system-ppc", Machine: "pseries", CPU: "power9", Console: "hvc0", MaxCmdline: 2048,
			Report: Line{Name: "hvc1"}, Terminal: Line{Name: "hvc2"}, Disk: "virtio-blk-pci", DiskModules: onPCI,
			SysRq: "\x0f", // Linux drivers/tty/hvc/hvc_console.c, __hvc_poll
			// Seen on 6.1 with QEMU 7.2: of five clones one stood still at the first unloading of a module, as on riscv64, and the others passed.
			NoTemplate: "clones of it may stand still, with a timer that never fires",
			NoPlug:     "its PCI bus has no PCI Express ports",
			NMI:        true, // a system reset interrupt, over which the kernel dies (Linux arch/powerpc/kernel/traps.c, system_reset_exception)
		},
		Kernel: Kernel{Marks: []string{"PPC64", "CPU_LITTLE_ENDIAN"}, Image: "vmlinux", Target: "vmlinux", Defconfig: "ppc64le_defconfig",
			Needs: []string{"PPC_PSERIES", "HVC_CONSOLE"}},
	},
}

// pc is the machine that plays both architectures of PCs, its processor with what cpu changes of it.
func pc(binary, cpu string) QEMU {
	return QEMU{
		Binary: binary, Package: "qemu-system-x86",
		// q35: without KVM two seconds faster than the default machine, whose ACPI tables are slow to interpret.
		// The real-time clock stays, as a kernel without one waits a second for it.
		Machine: "q35",
		// With ERMS a kernel clears and copies pages with REP STOSB and MOVSB (Linux arch/x86/lib/clear_page_64.S, copy_64.S), which
		// TCG carries out byte by byte: clearing 12 MB took 170 to 400 ms with it, and 52 to 59 ms without.
		CPU:        "max,-erms" + cpu,
		Console:    "ttyS0",
		MaxCmdline: 2048,
		Words: []string{
			"unknown_nmi_panic", // the interrupt that Diagnose sends makes a processor print its stack (arch/x86/kernel/nmi.c)
			// The early test whether the timer ticks counts loops, and panics on a host that is too busy; under hypervisors that
			// it knows a kernel omits the test by itself (arch/x86/kernel/apic/io_apic.c, timer_irq_works).
			"no_timer_check",
		},
		// 8250 ports are the only channel that a stock kernel is sure to have without loading a module.
		Report: Line{Name: "ttyS1"}, Terminal: Line{Name: "ttyS2"},
		Disk: "virtio-blk-pci", DiskModules: onPCI,
		NMI: true,
	}
}
