package kbuild

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/modmatrix/modmatrix/kernels"
)

// Callee names the function of the kernel or of another module that ko calls right before offset bytes into symbol, as the
// relocation there has it. It is empty where nothing of that sort is called there, or the file cannot be read.
func Callee(ko, symbol string, offset uint64) string {
	data, err := kernels.ReadModule(ko)
	if err != nil {
		return ""
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil || file.Class != elf.ELFCLASS64 {
		return ""
	}
	symbols, err := file.Symbols()
	if err != nil {
		return ""
	}
	for _, s := range symbols {
		if s.Name == symbol && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			return calledBefore(file, symbols, s.Section, s.Value+offset)
		}
	}
	return ""
}

// longestCall is the most bytes of an instruction, or pair of them, that calls, from where its relocation stands to its end.
const longestCall = 8

func calledBefore(file *elf.File, symbols []elf.Symbol, code elf.SectionIndex, at uint64) (name string) {
	for _, section := range file.Sections {
		if section.Type != elf.SHT_RELA || section.Info != uint32(code) || section.Size > maxDebug {
			continue
		}
		raw, err := section.Data()
		if err != nil {
			return ""
		}
		relocations := make([]elf.Rela64, len(raw)/24)
		if _, err := binary.Decode(raw, file.ByteOrder, relocations); err != nil {
			return ""
		}
		nearest := uint64(0)
		for _, r := range relocations {
			i := int(elf.R_SYM64(r.Info)) - 1 // the first symbol is none, and left out
			if r.Off < at && r.Off+longestCall >= at && r.Off >= nearest && i >= 0 && i < len(symbols) {
				name, nearest = symbols[i].Name, r.Off
			}
		}
	}
	return name
}
