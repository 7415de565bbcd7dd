// Package kotest writes kernel modules for tests: ELF files that say all that a kernel asks before it loads one, and that have no code.
package kotest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
)

// Module is a .ko to write. The zero value lacks what every module has.
type Module struct {
	Name, Vermagic string
	License        string   // empty: GPL
	Info           []string // more of .modinfo, as NAME=value
	Wants          []string // symbols that it does not define
	Weak           []string // those that it can do without
	Exports        []string
	Versions       []Version // of __versions; nil: no such section
	Extended       []Version // of __version_ext_crcs and __version_ext_names; nil: none
	Machine        elf.Machine
	Tail           string // what is appended, such as a signature
	Struct         int    // bytes of struct module; zero: 1024
	Sections       []Section
}

// Version is the CRC of a symbol.
type Version struct {
	Name string
	CRC  uint32
}

// Section is one more section.
type Section struct {
	Name string
	Type elf.SectionType
	Data []byte
}

// Bytes is the file, for a 64-bit little-endian machine: x86_64, where m names none.
func (m Module) Bytes() []byte {
	sections := append([]Section{{}, {Name: ".modinfo", Type: elf.SHT_PROGBITS, Data: m.modinfo()},
		{Name: ".gnu.linkonce.this_module", Type: elf.SHT_PROGBITS, Data: make([]byte, max(m.Struct, 1024))}}, m.versions()...)
	sections = append(sections, m.Sections...)
	symbols, names := m.symbols()
	sections = append(sections, Section{".symtab", elf.SHT_SYMTAB, symbols}, Section{".strtab", elf.SHT_STRTAB, names})
	return append(m.link(sections), m.Tail...)
}

func (m Module) modinfo() []byte {
	license := m.License
	if license == "" {
		license = "GPL"
	}
	fields := append([]string{"license=" + license, "name=" + m.Name, "vermagic=" + m.Vermagic}, m.Info...)
	return []byte(strings.Join(fields, "\x00") + "\x00")
}

func (m Module) versions() (all []Section) {
	if m.Versions != nil {
		var raw bytes.Buffer
		for _, v := range m.Versions {
			entry := make([]byte, 64)
			binary.LittleEndian.PutUint64(entry, uint64(v.CRC))
			copy(entry[8:63], v.Name)
			raw.Write(entry)
		}
		all = append(all, Section{"__versions", elf.SHT_PROGBITS, raw.Bytes()})
	}
	if m.Extended != nil {
		var crcs, names bytes.Buffer
		for _, v := range m.Extended {
			binary.Write(&crcs, binary.LittleEndian, v.CRC)
			names.WriteString(v.Name + "\x00")
		}
		all = append(all, Section{"__version_ext_crcs", elf.SHT_PROGBITS, crcs.Bytes()}, Section{"__version_ext_names", elf.SHT_PROGBITS, names.Bytes()})
	}
	return all
}

func (m Module) symbols() (table, names []byte) {
	var raw bytes.Buffer
	names = []byte{0}
	add := func(name string, bind elf.SymBind, section elf.SectionIndex) {
		binary.Write(&raw, binary.LittleEndian, elf.Sym64{Name: uint32(len(names)), Info: elf.ST_INFO(bind, elf.STT_NOTYPE), Shndx: uint16(section)})
		names = append(names, name+"\x00"...)
	}
	binary.Write(&raw, binary.LittleEndian, elf.Sym64{})
	for _, name := range m.Exports {
		add("__ksymtab_"+name, elf.STB_LOCAL, 2)
		add(name, elf.STB_GLOBAL, 2)
	}
	for _, name := range m.Wants {
		add(name, elf.STB_GLOBAL, elf.SHN_UNDEF)
	}
	for _, name := range m.Weak {
		add(name, elf.STB_WEAK, elf.SHN_UNDEF)
	}
	return raw.Bytes(), names
}

// link puts sections, and the table of their names, into one file.
func (m Module) link(sections []Section) []byte {
	names := []byte{0}
	for _, s := range append(slices.Clone(sections[1:]), Section{Name: ".shstrtab"}) {
		names = append(names, s.Name+"\x00"...)
	}
	sections = append(sections, Section{".shstrtab", elf.SHT_STRTAB, names})
	machine := m.Machine
	if machine == elf.EM_NONE {
		machine = elf.EM_X86_64 // a usual one
	}
	var body, headers bytes.Buffer
	at := uint64(binary.Size(elf.Header64{}))
	name := 1
	for i, s := range sections {
		h := elf.Section64{Type: uint32(s.Type), Off: at + uint64(body.Len()), Size: uint64(len(s.Data)), Addralign: 1}
		if i == 0 {
			h = elf.Section64{}
		} else {
			h.Name = uint32(name)
			name += len(s.Name) + 1
		}
		if s.Type == elf.SHT_SYMTAB {
			h.Link, h.Entsize = uint32(i+1), 24
		}
		body.Write(s.Data)
		binary.Write(&headers, binary.LittleEndian, h)
	}
	head := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(machine), Version: 1, Shoff: at + uint64(body.Len()), Ehsize: uint16(at),
		Shentsize: uint16(binary.Size(elf.Section64{})), Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)}
	copy(head.Ident[:], "\x7fELF\x02\x01\x01")
	var file bytes.Buffer
	binary.Write(&file, binary.LittleEndian, head)
	file.Write(body.Bytes())
	file.Write(headers.Bytes())
	return file.Bytes()
}
