package kbuild

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
)

const (
	layoutStart = 1 << 20 // the first address given away: none of what debug information leaves at zero lies there
	layoutGap   = 1 << 12 // between two sections
)

// parseLines reads the debug information of a module.
//
// A .ko is a relocatable file: each section of code begins at zero, and so the same address means a line in .text and
// another in .init.text. Here they are laid out one behind the other, as the kernel does when it loads them, by adding the
// section's address to every symbol in it; the relocations carry that into the debug information.
func parseLines(data []byte) (*Lines, error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if file.Type != elf.ET_REL {
		return nil, fmt.Errorf("%v: not a module", file.Type)
	}
	if file.Section(".debug_info") == nil || file.Section(".debug_line") == nil {
		return nil, ErrNoDebug
	}
	bases, err := layOut(file.Sections)
	if err != nil {
		return nil, err
	}
	if err := shiftSymbols(data, file, bases); err != nil {
		return nil, err
	}
	if file, err = elf.NewFile(bytes.NewReader(data)); err != nil {
		return nil, err
	}
	symbols, err := file.Symbols()
	if err != nil {
		return nil, err
	}
	debug, err := debugOf(file, symbols)
	if err != nil {
		return nil, err
	}
	return &Lines{data: debug, code: symbolsOf(file, symbols, bases)}, nil
}

// debugOf applies the relocations of the debug information. debug/elf does that for every architecture but RISC-V, of whose
// relocations it knows the absolute ones alone.
func debugOf(file *elf.File, symbols []elf.Symbol) (*dwarf.Data, error) {
	if file.Machine == elf.EM_RISCV {
		return riscvDebug(file, symbols)
	}
	return file.DWARF()
}

// layOut returns every section of code an address of its own; the others have zero.
func layOut(sections []*elf.Section) ([]uint64, error) {
	bases := make([]uint64, len(sections))
	next, all := uint64(layoutStart), uint64(0)
	for i, s := range sections {
		if s.Type == elf.SHT_NOBITS {
			continue
		}
		if all += s.Size; s.Size > maxDebug || all > maxDebug {
			return nil, fmt.Errorf("its sections hold more than %d MiB", maxDebug>>20)
		}
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			bases[i] = next
			next += (s.Size/layoutGap + 2) * layoutGap
		}
	}
	return bases, nil
}

// shiftSymbols adds the base of its section to the value of each symbol in the file's bytes.
func shiftSymbols(data []byte, file *elf.File, bases []uint64) error {
	table := file.SectionByType(elf.SHT_SYMTAB)
	if table == nil {
		return errors.New("no symbol table")
	}
	if table.Flags&elf.SHF_COMPRESSED != 0 || table.Offset > uint64(len(data)) || table.Size > uint64(len(data))-table.Offset {
		return errors.New("the symbol table is not in the file")
	}
	order, wide := file.ByteOrder, file.Class == elf.ELFCLASS64
	size, section := elf.Sym32Size, 14 // of an Elf32_Sym, whose value is at 4
	if wide {
		size, section = elf.Sym64Size, 6 // of an Elf64_Sym, whose value is at 8
	}
	for raw := data[table.Offset : table.Offset+table.Size]; len(raw) >= size; raw = raw[size:] {
		switch i := int(order.Uint16(raw[section:])); {
		case i >= len(bases):
		case wide:
			order.PutUint64(raw[8:], order.Uint64(raw[8:])+bases[i])
		default:
			order.PutUint32(raw[4:], order.Uint32(raw[4:])+uint32(bases[i]))
		}
	}
	return nil
}
