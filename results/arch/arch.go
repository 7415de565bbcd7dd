// Package arch has one row for each architecture that modules can be validated on: what others call it, how the kernel and
// Debian build for it, and the machine that QEMU plays. Everybody who needs to know looks here, and names none by itself; to
// add one is to add a row. It holds words alone: it starts nothing, and must never know what they are used for.
package arch

import (
	"cmp"
	"debug/elf"
	"runtime"
	"slices"
	"strings"
)

// Arch is one architecture. The zero value is none.
type Arch struct {
	Name   string // uname -m, which results name it by, e.g. "aarch64"
	Debian string // dpkg's word, which selectors name it by, e.g. "arm64"
	Go     string // GOARCH
	GoEnv  string // NAME=VALUE that keeps Go to what every processor of it can do; "" where there is no choice
	Kbuild string // make's ARCH, the folder of it in Linux arch/

	// Triplet is what the GNU tools call it: the command gcc of another machine's is TRIPLET-gcc.
	Triplet string

	// Flavour is the kernel that Debian means where none is named, Realtime the one with PREEMPT_RT, "" where there is none. Stem is the word that all of its flavours have, and those of
	// no other architecture.
	Flavour, Realtime, Stem string

	// Args are the registers that a function of the kernel gets its first two arguments in, as gdb calls them. Entry is how far behind its
	// address the kernel itself enters it, in bytes.
	Args  [2]string
	Entry int

	Bits      int // of a long and of a pointer
	BigEndian bool
	ELF       elf.Machine // of its programs and modules

	QEMU   QEMU
	Kernel Kernel
}

// Kernel is what a kernel of an architecture is recognised by, and must have.
type Kernel struct {
	Marks []string // symbols of the configuration that only its kernels have all of
	// Image is the file, in the folder where the kernel is built, that QEMU boots (-kernel), and Target what make calls it.
	Image, Target string
	// Defconfig is make's target for the architecture's own configuration.
	Defconfig string
	// Needs are the symbols that must be built in for a guest to come up on the machine that QEMU plays, besides those that all
	// architectures' need: its console, its other lines, power-off.
	Needs []string
}

// QEMU is the machine that plays an architecture.
type QEMU struct {
	Binary  string // the system emulator
	Package string // the Debian package that has it
	Machine string // -machine
	CPU     string // -cpu without hardware's help: as much as it can emulate at no great cost
	Console string // the kernel's name of the console, which is the machine's first serial port
	// MaxCmdline is COMMAND_LINE_SIZE with its NUL, in bytes (Linux arch/*/include/*/asm/setup.h): the kernel cuts what is longer silently.
	MaxCmdline int
	Words      []string // of the kernel's command line, that only this architecture needs

	// Report and Terminal are the guest's other two lines to the host. Bus is the -device that theirs hang on; "" where that is none
	// but the machine's own.
	Report, Terminal Line
	Bus              string

	Disk string // the -device of a virtio disk
	// LineModules and DiskModules are the kernel's own modules that the lines, and the disk, need where they are not built in.
	LineModules, DiskModules []string

	// SysRq is what the console's driver takes for the magic key (Linux Documentation/admin-guide/sysrq.rst); "" is a break.
	SysRq string
	// NMI says that QEMU's inject-nmi makes the kernel print a stack.
	NMI bool

	// LosesInterrupts says that QEMU does not save interrupts that are pending: a guest that is saved while it waits for its disk waits
	// for ever in a clone. So one that waits for its payload waits for a byte on the report line, which a clone is sent.
	LosesInterrupts bool

	// ExitsAtPowerOff says that QEMU ends with exit code 0 and no report where the guest powers itself off.
	ExitsAtPowerOff bool

	// NoTemplate, NoPlug and NoUSB are why a saved guest that QEMU restores cannot be relied on, why no PCI device can be plugged into
	// one that runs, and why it has no USB controller; "" where there is no such reason.
	NoTemplate, NoPlug, NoUSB string
}

// Line is a line between host and guest.
type Line struct {
	Device string // the -device that it is; "": the next of the machine's own serial ports
	Name   string // of its file in the guest's /dev, or a pattern of filepath.Match where a driver numbers devices as it finds them
}

// All returns every row, the most usual first.
func All() []Arch { return slices.Clone(rows) }

// Named returns the row that is called name by uname -m, Debian or Go; ok is false where there is none.
func Named(name string) (_ Arch, ok bool) {
	return find(func(a Arch) bool { return name != "" && (a.Name == name || a.Debian == name || a.Go == name) })
}

// Near returns the row that name, a word for none, was probably meant for: that of the word which begins the most like it. ok is false
// where none is near.
func Near(name string) (best Arch, ok bool) {
	most := 2 // letters in common that are no sign
	for _, a := range rows {
		for _, word := range []string{a.Name, a.Debian, a.Go, a.Kbuild, a.Triplet, a.Stem} {
			n := 0
			for n < min(len(word), len(name)) && word[n] == name[n] {
				n++
			}
			if n > most {
				best, most, ok = a, n, true
			}
		}
	}
	return best, ok
}

// OfMachine returns the row whose uname -m is machine; ok is false where there is none.
func OfMachine(machine string) (_ Arch, ok bool) {
	return find(func(a Arch) bool { return a.Name == machine })
}

// OfELF returns the architecture that an ELF file is of; ok is false where there is no such row.
func OfELF(h elf.FileHeader) (_ Arch, ok bool) {
	return find(func(a Arch) bool {
		return a.ELF == h.Machine && a.BigEndian == (h.Data == elf.ELFDATA2MSB) && (a.Bits == 64) == (h.Class == elf.ELFCLASS64)
	})
}

// OfFlavour returns the architecture that a flavour of Debian's kernel exists on, by the word that only its flavours have: arm64-16k
// is arm64's. ok is false where it can be any's.
func OfFlavour(flavour string) (_ Arch, ok bool) {
	words := strings.Split(flavour, "-")
	return find(func(a Arch) bool { return slices.Contains(words, a.Stem) })
}

// In reports whether a kernel's release says that it is one of a: 6.1.0-50-686-pae, 6.12.5-200.fc41.aarch64.
func (a Arch) In(release string) bool {
	words := strings.FieldsFunc(release, func(r rune) bool { return strings.ContainsRune(".+-", r) })
	return slices.ContainsFunc(words, func(w string) bool { return w == a.Name || w == a.Debian || w == a.Stem })
}

// Host is the row of the machine that this program runs on, and the first row on a machine that has none.
func Host() Arch {
	a, ok := find(func(a Arch) bool { return a.Go == runtime.GOARCH })
	if !ok {
		return rows[0]
	}
	return a
}

// Names are Debian's words for all, in the order of the rows.
func Names() (names []string) {
	for _, a := range rows {
		names = append(names, a.Debian)
	}
	return names
}

// Order compares the architectures that uname -m calls a and b, in the order of the rows; others come last, by name.
func Order(a, b string) int {
	at := func(name string) int {
		i := slices.IndexFunc(rows, func(r Arch) bool { return r.Name == name })
		if i < 0 {
			return len(rows)
		}
		return i
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), strings.Compare(a, b))
}

func find(is func(Arch) bool) (Arch, bool) {
	i := slices.IndexFunc(rows, is)
	if i < 0 {
		return Arch{}, false
	}
	return rows[i], true
}
