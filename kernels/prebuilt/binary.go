package prebuilt

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// Bounds of a module; the largest real ones, graphics drivers, name some 6,000 symbols of others. In their table are 60,000, and 700,000 on
// RISC-V, where each branch has one.
const (
	maxSymbols = 200_000
	maxTable   = 64 << 20 // bytes of one section that is read
	maxName    = 512      // bytes of a symbol's name (Linux include/linux/kallsyms.h, KSYM_NAME_LEN)
)

// Binary is what a .ko says of itself and asks of a kernel.
type Binary struct {
	kbuild.Module
	Machine  machine
	Wants    []Want            // the symbols that it does not define, in its own order
	Exports  []string          // the symbols that it offers to other modules
	Versions map[string]uint32 // CRCs of __versions; nil: it has no such section
	Extended map[string]uint32 // CRCs of __version_ext_crcs, which kernels from 6.14 on prefer; nil: it has none
	Imports  []string          // namespaces
	Signed   bool              // a signature is appended; whose, nobody looks
	Marks    map[string]bool   // retpoline and livepatch, of .modinfo
	BTF      bool              // it has types that refer to those of the kernel that it was built for
	Struct   uint64            // bytes of its struct module
}

// Want is a symbol that a module does not define.
type Want struct {
	Name string
	Weak bool // it may be missing
}

// machine is what an ELF header says of the processor.
type machine struct {
	elf.Machine
	elf.Class
	elf.Data
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %s", strings.TrimPrefix(m.Machine.String(), "EM_"), strings.TrimPrefix(m.Class.String(), "ELF"), strings.TrimPrefix(m.Data.String(), "ELF"))
}

// signature ends a signed module (Linux include/linux/module_signature.h, MODULE_SIG_STRING).
const signature = "~Module signature appended~\n"

// Read reads the module in data; name is what its file is called. What no kernel would take for a module is an error in one line.
func Read(name string, data []byte) (b Binary, err error) {
	defer func() {
		if p := recover(); p != nil { // debug/elf is not made for what wants to break it
			b, err = Binary{}, fmt.Errorf("%s is not a kernel module: a broken ELF file: %v", name, p)
		}
	}()
	if b.Module, err = kbuild.InspectData(name, data); err != nil {
		return Binary{}, err
	}
	if err = b.read(data); err != nil {
		return Binary{}, fmt.Errorf("%s is not a kernel module: %w", name, err)
	}
	return b, nil
}

// object is an ELF file whose sections are looked at where they lie.
type object struct {
	*elf.File
	data []byte
}

func (b *Binary) read(data []byte) error {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	o := object{file, data}
	b.Machine = machine{file.Machine, file.Class, file.Data}
	b.Signed = bytes.HasSuffix(data, []byte(signature))
	b.BTF = file.Section(".BTF") != nil && file.Section(".BTF.base") == nil
	b.Struct = file.Section(".gnu.linkonce.this_module").Size
	info, err := o.section(".modinfo")
	if err != nil {
		return err
	}
	b.readMarks(info)
	if b.Versions, err = o.versions(); err != nil {
		return err
	}
	if b.Extended, err = o.extended(); err != nil {
		return err
	}
	return b.readSymbols(o)
}

// section returns the bytes of the section called name; nil where there is none.
func (o object) section(name string) ([]byte, error) {
	s := o.Section(name)
	if s == nil {
		return nil, nil
	}
	return o.bytes(s)
}

// bytes is what s holds. What is compressed no kernel reads.
func (o object) bytes(s *elf.Section) ([]byte, error) {
	size := uint64(len(o.data))
	switch {
	case s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0:
		return nil, fmt.Errorf("section %s is not in the file as it is", clean(s.Name))
	case s.Offset > size || s.FileSize > size-s.Offset:
		return nil, fmt.Errorf("section %s reaches beyond the end of the file", clean(s.Name))
	case s.FileSize > maxTable:
		return nil, fmt.Errorf("section %s is larger than %d MiB", clean(s.Name), maxTable>>20)
	}
	return o.data[s.Offset : s.Offset+s.FileSize], nil
}

// versions reads struct modversion_info (Linux include/linux/module.h): a long, and a name that fills up 64 bytes.
func (o object) versions() (map[string]uint32, error) {
	raw, err := o.section("__versions")
	if raw == nil || err != nil {
		return nil, err
	}
	const entry = 64
	long := 8
	if o.Class == elf.ELFCLASS32 {
		long = 4
	}
	found := map[string]uint32{}
	for ; len(raw) >= entry; raw = raw[entry:] {
		crc := uint64(0)
		if long == 4 {
			crc = uint64(o.ByteOrder.Uint32(raw))
		} else {
			crc = o.ByteOrder.Uint64(raw)
		}
		note(found, cstring(raw[long:entry]), uint32(crc))
	}
	return found, nil
}

// extended reads the versions that have names of any length (Linux kernel/module/version.c, modversion_ext_start).
func (o object) extended() (map[string]uint32, error) {
	crcs, err := o.section("__version_ext_crcs")
	if err != nil {
		return nil, err
	}
	names, err := o.section("__version_ext_names")
	switch {
	case err != nil:
		return nil, err
	case (crcs == nil) != (names == nil):
		return nil, errors.New("it has only one half of the extended symbol versions")
	case crcs == nil:
		return nil, nil
	}
	found := map[string]uint32{}
	for ; len(crcs) >= 4; crcs = crcs[4:] {
		name, rest, ok := bytes.Cut(names, []byte{0})
		if !ok {
			return nil, errors.New("it has more extended symbol versions than names for them")
		}
		names = rest
		note(found, string(name), o.ByteOrder.Uint32(crcs))
	}
	return found, nil
}

// note keeps the first of several: a kernel looks no further.
func note(found map[string]uint32, name string, crc uint32) {
	if _, twice := found[name]; !twice && len(found) < maxSymbols && len(name) <= maxName {
		found[name] = crc
	}
}

func cstring(raw []byte) string {
	text, _, _ := bytes.Cut(raw, []byte{0})
	return string(text)
}

func (b *Binary) readMarks(info []byte) {
	b.Marks = map[string]bool{}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		switch key, value, _ := strings.Cut(string(field), "="); key {
		case "import_ns":
			if len(b.Imports) < 1000 && !slices.Contains(b.Imports, value) {
				b.Imports = append(b.Imports, value)
			}
		case "retpoline", "livepatch":
			b.Marks[key] = true
		}
	}
}

// exportMark begins the name of what stands for an exported symbol (Linux include/linux/export.h).
const exportMark = "__ksymtab_"

func (b *Binary) readSymbols(o object) error {
	table := o.SectionByType(elf.SHT_SYMTAB)
	if table == nil || table.Link == 0 || int(table.Link) >= len(o.Sections) {
		return errors.New("no symbol table")
	}
	raw, err := o.bytes(table)
	if err != nil {
		return err
	}
	names, err := o.bytes(o.Sections[table.Link])
	if err != nil {
		return err
	}
	size := binary.Size(elf.Sym64{})
	if o.Class == elf.ELFCLASS32 {
		size = binary.Size(elf.Sym32{})
	}
	for i := size; i+size <= len(raw); i += size { // the first is none
		if len(b.Wants)+len(b.Exports) > maxSymbols {
			return fmt.Errorf("more than %d symbols that it asks for or offers", maxSymbols)
		}
		at, info, section := o.symbol(raw[i:])
		if int64(at) >= int64(len(names)) {
			return errors.New("a symbol's name lies outside of the table of names")
		}
		name := cstring(names[at:min(len(names), int(at)+maxName+1)])
		switch export, is := strings.CutPrefix(name, exportMark); {
		case name == "" || len(name) > maxName:
		case section == elf.SHN_UNDEF:
			b.Wants = append(b.Wants, Want{name, elf.ST_BIND(info) == elf.STB_WEAK})
		case is && export != "":
			b.Exports = append(b.Exports, export)
		}
	}
	slices.Sort(b.Exports)
	b.Exports = slices.Compact(b.Exports)
	return nil
}

// symbol reads the symbol that raw begins with (Elf32_Sym, Elf64_Sym).
func (o object) symbol(raw []byte) (name uint32, info byte, section elf.SectionIndex) {
	name = o.ByteOrder.Uint32(raw)
	if o.Class == elf.ELFCLASS32 {
		return name, raw[12], elf.SectionIndex(o.ByteOrder.Uint16(raw[14:]))
	}
	return name, raw[4], elf.SectionIndex(o.ByteOrder.Uint16(raw[6:]))
}
