package arch

// rows are in the order in which a matrix shows them.
var rows = []Arch{
	{
		Name: "x86_64", Debian: "amd64", Go: "amd64", GoEnv: "GOAMD64=v1", Kbuild: "x86", Triplet: "x86_64-linux-gnu",
		Flavour: "amd64", Realtime: "rt-amd64", Stem: "amd64", Bits: 64,
		QEMU: QEMU{
			Binary: "qemu-system-x86_64", Package: "qemu-system-x86",
			// q35: without KVM two seconds faster than the default machine, whose ACPI tables are slow to interpret.
			// The real-time clock stays, as a kernel without one waits a second for it.
			Machine: "q35",
			// With ERMS a kernel clears and copies pages with REP STOSB and MOVSB (Linux arch/x86/lib/clear_page_64.S, copy_64.S), which
			// TCG carries out byte by byte: clearing 12 MB took 170 to 400 ms with it, and 52 to 59 ms without.
			CPU:        "max,-erms",
			Console:    "ttyS0",
			MaxCmdline: 2048,
			Words: []string{
				"unknown_nmi_panic", // the interrupt that Diagnose sends makes a processor print its stack (arch/x86/kernel/nmi.c)
				// The early test whether the timer ticks counts loops, and panics on a host that is too busy; under hypervisors that
				// it knows a kernel omits the test by itself (arch/x86/kernel/apic/io_apic.c, timer_irq_works).
				"no_timer_check",
			},
		},
	},
	{
		Name: "i686", Debian: "i386", Go: "386", GoEnv: "GO386=sse2", Kbuild: "x86", Triplet: "i686-linux-gnu",
		Flavour: "686-pae", Realtime: "rt-686-pae", Stem: "686", Bits: 32,
		QEMU: QEMU{
			Binary: "qemu-system-i386", Package: "qemu-system-x86", Machine: "q35", CPU: "max,-erms", Console: "ttyS0", MaxCmdline: 2048,
			Words: []string{"unknown_nmi_panic", "no_timer_check"}, // as for x86_64
		},
	},
	{
		Name: "aarch64", Debian: "arm64", Go: "arm64", GoEnv: "GOARM64=v8.0", Kbuild: "arm64", Triplet: "aarch64-linux-gnu",
		Flavour: "arm64", Realtime: "rt-arm64", Stem: "arm64", Bits: 64,
		QEMU: QEMU{
			Binary: "qemu-system-aarch64", Package: "qemu-system-arm", Machine: "virt", CPU: "cortex-a57", Console: "ttyAMA0", MaxCmdline: 2048,
		},
	},
	{
		Name: "armv7l", Debian: "armhf", Go: "arm", GoEnv: "GOARM=7", Kbuild: "arm", Triplet: "arm-linux-gnueabihf",
		Flavour: "armmp", Realtime: "rt-armmp", Stem: "armmp", Bits: 32,
		QEMU: QEMU{
			// Without highmem=off the PCI bus lies above 4 GiB, which a kernel without LPAE cannot reach (QEMU docs/system/arm/virt.rst).
			Binary: "qemu-system-arm", Package: "qemu-system-arm", Machine: "virt,highmem=off", CPU: "cortex-a15", Console: "ttyAMA0", MaxCmdline: 1024,
		},
	},
	{
		Name: "riscv64", Debian: "riscv64", Go: "riscv64", GoEnv: "GORISCV64=rva20u64", Kbuild: "riscv", Triplet: "riscv64-linux-gnu",
		Flavour: "riscv64", Stem: "riscv64", Bits: 64,
		QEMU: QEMU{
			Binary: "qemu-system-riscv64", Package: "qemu-system-misc", Machine: "virt", CPU: "rv64", Console: "ttyS0", MaxCmdline: 1024,
		},
	},
	{
		Name: "s390x", Debian: "s390x", Go: "s390x", Kbuild: "s390", Triplet: "s390x-linux-gnu",
		Flavour: "s390x", Stem: "s390x", Bits: 64, BigEndian: true,
		QEMU: QEMU{
			Binary: "qemu-system-s390x", Package: "qemu-system-misc", Machine: "s390-ccw-virtio", CPU: "max", Console: "ttysclp0", MaxCmdline: 4096,
		},
	},
	{
		Name: "ppc64le", Debian: "ppc64el", Go: "ppc64le", GoEnv: "GOPPC64=power8", Kbuild: "powerpc", Triplet: "powerpc64le-linux-gnu",
		Flavour: "powerpc64le", Stem: "powerpc64le", Bits: 64,
		QEMU: QEMU{
			Binary: "qemu-system-ppc64", Package: "qemu-system-ppc", Machine: "pseries", CPU: "power9", Console: "hvc0", MaxCmdline: 2048,
		},
	},
}
