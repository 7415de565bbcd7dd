package dir

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"regexp"
)

// image is what a bootable file says of itself.
type image struct {
	release string // "" where it does not say
}

// maxRodata bounds what is read of a vmlinux for its banner; real ones hold 20 MiB.
const maxRodata = 64 << 20

var banner = regexp.MustCompile(`Linux version (\S+) \(`)

// readImage looks into a bzImage or a vmlinux. An error says in a few words why it boots on nothing here.
func readImage(path string) (image, error) {
	f, err := os.Open(path)
	if err != nil {
		return image{}, err
	}
	defer f.Close()
	head := make([]byte, 64<<10) // the setup code of a bzImage, and more: its first sectors
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return image{}, err
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return readVmlinux(f)
	}
	return readBzImage(head)
}

// readBzImage reads the setup header (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
func readBzImage(head []byte) (image, error) {
	const bootFlag, magic, versionField, loadFlags, headerEnd = 0x1fe, 0x202, 0x20e, 0x236, 0x238
	if len(head) < headerEnd || head[bootFlag] != 0x55 || head[bootFlag+1] != 0xaa || string(head[magic:magic+4]) != "HdrS" {
		return image{}, errors.New("it is no kernel image")
	}
	if head[loadFlags]&1 == 0 {
		return image{}, errors.New("it is a 32-bit kernel")
	}
	at := int(binary.LittleEndian.Uint16(head[versionField:])) + 0x200
	if at == 0x200 || at >= len(head) {
		return image{}, nil
	}
	word, _, ok := bytes.Cut(head[at:], []byte(" "))
	if !ok || !releaseWord.Match(word) {
		return image{}, nil
	}
	return image{string(word)}, nil
}

// readVmlinux asks for the note with QEMU's entry point (Linux arch/x86/platform/pvh/head.S); the vmlinux of headers
// packages holds type information alone.
func readVmlinux(r io.ReaderAt) (image, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return image{}, err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return image{}, errors.New("it is no kernel for x86_64")
	}
	if !hasPVHNote(f) {
		return image{}, errors.New("it cannot be booted as it is (no PVH note) and there is no bzImage")
	}
	section := f.Section(".rodata")
	if section == nil || section.Type == elf.SHT_NOBITS {
		return image{}, nil
	}
	text, err := io.ReadAll(io.LimitReader(section.Open(), maxRodata))
	if err != nil {
		return image{}, err
	}
	if m := banner.FindSubmatch(text); m != nil && releaseWord.Match(m[1]) {
		return image{string(m[1])}, nil
	}
	return image{}, nil
}

// pvhEntry is XEN_ELFNOTE_PHYS32_ENTRY (Linux include/xen/interface/elfnote.h).
const pvhEntry = 18

func hasPVHNote(f *elf.File) bool {
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > 1<<20 {
			continue
		}
		notes, err := io.ReadAll(p.Open())
		if err != nil {
			continue
		}
		for len(notes) >= 12 {
			name, desc := f.ByteOrder.Uint32(notes), f.ByteOrder.Uint32(notes[4:])
			kind := f.ByteOrder.Uint32(notes[8:])
			size := 12 + align4(name) + align4(desc)
			if size > uint64(len(notes)) {
				break
			}
			if kind == pvhEntry && string(bytes.TrimRight(notes[12:12+name], "\x00")) == "Xen" {
				return true
			}
			notes = notes[size:]
		}
	}
	return false
}

func align4(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
