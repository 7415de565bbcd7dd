package kbuild

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The relocations whose numbers debug/elf has no name for (RISC-V ELF psABI, "Relocations").
const (
	riscvSetULEB128 = 60
	riscvSubULEB128 = 61
)

// riscvRela is one relocation of a 64-bit file: Elf64_Rela.
type riscvRela struct {
	Offset, Info uint64
	Addend       int64
}

// riscvDebug is the debug information of a RISC-V module. A linker may shorten code there, so that the compiler leaves it to
// relocations how far apart two labels are: one adds the first, the next subtracts the second.
func riscvDebug(file *elf.File, symbols []elf.Symbol) (*dwarf.Data, error) {
	if file.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("%v, %v: no kernel of that has modules", file.Machine, file.Class)
	}
	sections := map[string][]byte{}
	for i, s := range file.Sections {
		name, ok := strings.CutPrefix(s.Name, ".debug_")
		if !ok || sections[name] != nil {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		if err := riscvRelocate(file, b, i, symbols); err != nil {
			return nil, fmt.Errorf("relocate %s: %w", s.Name, err)
		}
		sections[name] = b
	}
	d, err := dwarf.New(sections["abbrev"], nil, nil, sections["info"], sections["line"], nil, sections["ranges"], sections["str"])
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"addr", "line_str", "str_offsets", "rnglists"} { // of DWARF 5
		err = cmp.Or(err, d.AddSection(".debug_"+name, sections[name]))
	}
	return d, err
}

// riscvRelocate applies the relocations of the section with the given index to its bytes.
func riscvRelocate(file *elf.File, b []byte, index int, symbols []elf.Symbol) error {
	for _, s := range file.Sections {
		if s.Type != elf.SHT_RELA || int(s.Info) != index {
			continue
		}
		raw, err := s.Data()
		if err != nil {
			return err
		}
		relas := make([]riscvRela, len(raw)/binary.Size(riscvRela{}))
		if _, err := binary.Decode(raw, file.ByteOrder, relas); err != nil {
			return err
		}
		for _, r := range relas {
			value := uint64(r.Addend)
			if n := r.Info >> 32; n > uint64(len(symbols)) {
				return errors.New("a symbol that is not in the table")
			} else if n > 0 {
				value += symbols[n-1].Value
			}
			if r.Offset >= uint64(len(b)) || !riscvApply(b[r.Offset:], uint32(r.Info), value, file.ByteOrder) {
				return errors.New("a place beyond the section")
			}
		}
	}
	return nil
}

// riscvApply relocates the number at the start of b, and reports whether b holds one. What debug information does not use is left.
func riscvApply(b []byte, kind uint32, value uint64, order binary.ByteOrder) bool {
	switch elf.R_RISCV(kind) {
	case elf.R_RISCV_32:
		return riscvStore(b, 4, value, order)
	case elf.R_RISCV_64:
		return riscvStore(b, 8, value, order)
	case elf.R_RISCV_ADD8, elf.R_RISCV_ADD16, elf.R_RISCV_ADD32, elf.R_RISCV_ADD64:
		size := 1 << (kind - uint32(elf.R_RISCV_ADD8))
		return riscvStore(b, size, riscvLoad(b, size, order)+value, order)
	case elf.R_RISCV_SUB8, elf.R_RISCV_SUB16, elf.R_RISCV_SUB32, elf.R_RISCV_SUB64:
		size := 1 << (kind - uint32(elf.R_RISCV_SUB8))
		return riscvStore(b, size, riscvLoad(b, size, order)-value, order)
	case elf.R_RISCV_SET8:
		return riscvStore(b, 1, value, order)
	case elf.R_RISCV_SET16:
		return riscvStore(b, 2, value, order)
	case elf.R_RISCV_SET32:
		return riscvStore(b, 4, value, order)
	case riscvSetULEB128:
		return riscvULEB128(b, func(uint64) uint64 { return value })
	case riscvSubULEB128:
		return riscvULEB128(b, func(old uint64) uint64 { return old - value })
	}
	return true
}

func riscvLoad(b []byte, size int, order binary.ByteOrder) uint64 {
	var wide [8]byte
	copy(wide[:], b[:min(size, len(b))])
	return order.Uint64(wide[:]) // little-endian: so are all RISC-V kernels
}

func riscvStore(b []byte, size int, value uint64, order binary.ByteOrder) bool {
	if len(b) < size {
		return false
	}
	var wide [8]byte
	order.PutUint64(wide[:], value)
	copy(b[:size], wide[:])
	return true
}

// riscvULEB128 changes a number of variable length, which keeps the length that the assembler gave it.
func riscvULEB128(b []byte, change func(uint64) uint64) bool {
	old, n := binary.Uvarint(b)
	if n <= 0 {
		return false
	}
	value := change(old)
	for i := range n {
		b[i] = byte(value)&0x7f | b[i]&0x80
		value >>= 7
	}
	return true
}
