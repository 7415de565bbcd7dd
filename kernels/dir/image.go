package dir

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/results/arch"
)

// maxRodata bounds what is read of a vmlinux for its banner; real ones hold 20 MiB.
const maxRodata = 64 << 20

var banner = regexp.MustCompile(`Linux version (\S+) \(`)

// readImage returns the release in an image for a, if it has one. An error says in a few words why QEMU boots it not.
func readImage(path string, a arch.Arch) (release string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 64<<10+512)) // the setup code of a bzImage, and more: its first sectors
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return readVmlinux(f, a)
	}
	if a.Kbuild == "x86" {
		return readBzImage(head, a)
	}
	return "", checkMagic(head, a)
}

// magics are what the images of other architectures have, and where, by Kbuild's word for the architecture.
var magics = map[string]struct {
	at   int
	text string
}{
	"arm64": {56, "ARM\x64"},            // Linux Documentation/arch/arm64/booting.rst
	"arm":   {0x24, "\x18\x28\x6f\x01"}, // Linux arch/arm/boot/compressed/head.S
	"riscv": {56, "RSC\x05"},            // Linux Documentation/arch/riscv/boot-image-header.rst
	"s390":  {0x10008, "S390EP"},        // Linux arch/s390/boot/head.S
}

// checkMagic refuses what is no image for a. QEMU itself unpacks a compressed one for arm64 alone, but not what unpacks itself with
// a firmware's help.
func checkMagic(head []byte, a arch.Arch) error {
	m, known := magics[a.Kbuild]
	switch {
	case len(head) > 8 && string(head[:2]) == "MZ" && string(head[4:8]) == "zimg": // Linux drivers/firmware/efi/libstub/zboot-header.S
		return errors.New("it is an image that only EFI unpacks (CONFIG_EFI_ZBOOT)")
	case a.Kbuild == "arm64" && bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return nil
	case !known || len(head) < m.at+len(m.text) || string(head[m.at:m.at+len(m.text)]) != m.text:
		return fmt.Errorf("it is no kernel image for %s", a.Name)
	}
	return nil
}

// readBzImage reads the setup header (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
func readBzImage(head []byte, a arch.Arch) (release string, err error) {
	const bootFlag, magic, versionField, loadFlags, headerEnd = 0x1fe, 0x202, 0x20e, 0x236, 0x238
	if len(head) < headerEnd || head[bootFlag] != 0x55 || head[bootFlag+1] != 0xaa || string(head[magic:magic+4]) != "HdrS" {
		return "", errors.New("it is no kernel image")
	}
	if head[loadFlags]&1 == 0 && a.Bits == 64 {
		return "", errors.New("it is a 32-bit kernel")
	}
	at := int(binary.LittleEndian.Uint16(head[versionField:])) + 0x200
	if at == 0x200 || at >= len(head) {
		return "", nil
	}
	if word, _, ok := bytes.Cut(head[at:], []byte(" ")); ok && releaseWord.Match(word) {
		return string(word), nil
	}
	return "", nil
}

// readVmlinux requires, for a PC, QEMU's entry point (Linux arch/x86/platform/pvh/head.S): the vmlinux of headers packages holds types alone.
func readVmlinux(r io.ReaderAt, a arch.Arch) (release string, err error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", err
	}
	if of, ok := arch.OfELF(f.FileHeader); !ok || of.Name != a.Name || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", fmt.Errorf("it is no kernel for %s", a.Name)
	}
	if _, other := magics[a.Kbuild]; other || a.Kbuild == "x86" && !hasPVHNote(f) {
		return "", fmt.Errorf("it cannot be booted as it is, and there is no %s", a.Kernel.Target)
	}
	section := f.Section(".rodata")
	if section == nil || section.Type == elf.SHT_NOBITS {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(section.Open(), maxRodata))
	if err != nil {
		return "", err
	}
	if m := banner.FindSubmatch(text); m != nil && releaseWord.Match(m[1]) {
		return string(m[1]), nil
	}
	return "", nil
}

// pvhNote is an ELF note's type and owner: XEN_ELFNOTE_PHYS32_ENTRY (Linux include/xen/interface/elfnote.h).
var pvhNote = []byte("\x12\x00\x00\x00Xen\x00")

func hasPVHNote(f *elf.File) bool {
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool {
		notes, _ := io.ReadAll(io.LimitReader(p.Open(), 1<<20))
		return p.Type == elf.PT_NOTE && bytes.Contains(notes, pvhNote)
	})
}
