package dir

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
)

// maxRodata bounds what is read of a vmlinux for its banner; real ones hold 20 MiB.
const maxRodata = 64 << 20

var banner = regexp.MustCompile(`Linux version (\S+) \(`)

// readImage returns the release in a bzImage or vmlinux, if it has one. An error says in a few words why it boots on nothing here.
func readImage(path string) (release string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 64<<10)) // the setup code of a bzImage, and more: its first sectors
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return readVmlinux(f)
	}
	return readBzImage(head)
}

// readBzImage reads the setup header (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
func readBzImage(head []byte) (release string, err error) {
	const bootFlag, magic, versionField, loadFlags, headerEnd = 0x1fe, 0x202, 0x20e, 0x236, 0x238
	if len(head) < headerEnd || head[bootFlag] != 0x55 || head[bootFlag+1] != 0xaa || string(head[magic:magic+4]) != "HdrS" {
		return "", errors.New("it is no kernel image")
	}
	if head[loadFlags]&1 == 0 {
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

// readVmlinux requires QEMU's entry point (Linux arch/x86/platform/pvh/head.S): the vmlinux of headers packages holds types alone.
func readVmlinux(r io.ReaderAt) (release string, err error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", errors.New("it is no kernel for x86_64")
	}
	if !hasPVHNote(f) {
		return "", errors.New("it cannot be booted as it is (no PVH note) and there is no bzImage")
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
