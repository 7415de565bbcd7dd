package kbuild

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

const (
	maxDebug  = 1 << 30 // bytes of all its sections, unpacked
	maxNested = 64      // functions inlined into each other; gcc gives up far earlier
)

// ErrNoDebug says that a .ko holds no debug information to find a line by.
var ErrNoDebug = errors.New("no debug information")

// Place is a line of source that a machine instruction came from.
type Place struct {
	Function string // whose text the line is part of, without the suffixes that a compiler adds
	File     string // relative to the module's source where it lies in there; else as the compiler was given it: a header of the kernel, mostly
	Line     int    // zero where the instruction comes from no line
}

// Lines finds the source lines of a module. It is not for concurrent use.
type Lines struct {
	data *dwarf.Data
	code []codeSymbol
}

type codeSymbol struct {
	name        string
	addr, limit uint64 // where it lies in the layout, and where what follows begins
}

// OpenLines reads the module's own debug information out of the .ko file. The error is ErrNoDebug where there is none.
func OpenLines(ko string) (*Lines, error) {
	data, err := kernels.ReadModule(ko)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	l, err := parseLines(data)
	if err != nil {
		return nil, fmt.Errorf("read lines of %s: %w", ko, err)
	}
	return l, nil
}

// At returns the lines behind the instruction at offset bytes into symbol, which is named as in a kernel's trace: the
// innermost inlined function comes first, the function that the symbol belongs to last. A return address, as every caller in
// a call trace is, belongs to the instruction before it: give its offset less one.
//
// Where the module lacks the symbol by its exact name, one that differs in the compiler's suffixes alone is taken
// (.isra.0, .cold), as long as there is one only. What was assembled without debug information has no line: ErrNoDebug.
func (l *Lines) At(symbol string, offset uint64) ([]Place, error) {
	s, err := l.find(symbol, offset)
	if err != nil {
		return nil, fmt.Errorf("find %s+%#x: %w", symbol, offset, err)
	}
	places, err := l.places(s.addr + offset)
	if len(places) == 1 && places[0].Function == "" {
		places[0].Function = s.name // padding before a function, or assembly
	}
	if err != nil {
		return nil, fmt.Errorf("find line of %s+%#x: %w", symbol, offset, err)
	}
	return places, nil
}

func (l *Lines) find(name string, offset uint64) (codeSymbol, error) {
	for _, same := range []func(a, b string) bool{
		func(a, b string) bool { return a == b },
		func(a, b string) bool { return plainName(a) == plainName(b) },
	} {
		named, fits := 0, []codeSymbol(nil)
		for _, s := range l.code {
			if !same(s.name, name) {
				continue
			}
			named++
			if offset < s.limit-s.addr && !slices.ContainsFunc(fits, func(o codeSymbol) bool { return o.addr == s.addr }) {
				fits = append(fits, s)
			}
		}
		switch {
		case len(fits) == 1:
			return fits[0], nil
		case len(fits) > 1:
			return codeSymbol{}, fmt.Errorf("%d functions of that name", len(fits))
		case named > 0:
			return codeSymbol{}, errors.New("the offset is beyond the function")
		}
	}
	return codeSymbol{}, errors.New("no function of that name in the module")
}

// plainName is a symbol's name without what compilers append to a function that they split or change.
func plainName(name string) string {
	if plain, _, _ := strings.Cut(name, "."); plain != "" {
		return plain
	}
	return name
}

func (l *Lines) places(pc uint64) ([]Place, error) {
	r := l.data.Reader()
	unit, err := r.SeekPC(pc)
	if errors.Is(err, dwarf.ErrUnknownPC) {
		return nil, ErrNoDebug
	} else if err != nil {
		return nil, err
	}
	chain, err := l.chain(r, unit, pc)
	if err != nil {
		return nil, err
	}
	at, files, err := l.row(unit, pc)
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return []Place{at}, nil
	}
	var places []Place
	for _, e := range slices.Backward(chain) { // an inlined function's entry says where its caller stands
		places = append(places, Place{l.function(e), at.File, at.Line})
		at = Place{Line: number(e, dwarf.AttrCallLine)}
		if i := number(e, dwarf.AttrCallFile); i >= 0 && i < len(files) && files[i] != nil {
			at.File = sourceFile(files[i].Name)
		}
	}
	return places, nil
}

// chain returns the entries of the function at pc and of what is inlined into it there, outermost first.
func (l *Lines) chain(r *dwarf.Reader, unit *dwarf.Entry, pc uint64) ([]*dwarf.Entry, error) {
	var chain []*dwarf.Entry
	if !unit.Children {
		return nil, nil
	}
	for depth := 1; depth > 0 && len(chain) < maxNested; {
		e, err := r.Next()
		if err != nil || e == nil {
			return chain, err
		}
		within := false
		switch e.Tag {
		case 0:
			if depth--; len(chain) > 0 && depth < 2 {
				return chain, nil // the function is through
			}
			continue
		case dwarf.TagNamespace, dwarf.TagStructType: // Rust has its functions in there
			within = true
		case dwarf.TagSubprogram, dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock:
			ranges, err := l.data.Ranges(e)
			if err != nil {
				return nil, err
			}
			within = slices.ContainsFunc(ranges, func(r [2]uint64) bool { return r[0] <= pc && pc < r[1] })
			if within && e.Tag != dwarf.TagLexDwarfBlock {
				chain = append(chain, e)
			}
		}
		switch {
		case e.Children && within:
			depth++
		case e.Children:
			r.SkipChildren()
		}
	}
	return chain, nil
}

func (l *Lines) row(unit *dwarf.Entry, pc uint64) (Place, []*dwarf.LineFile, error) {
	table, err := l.data.LineReader(unit)
	if err != nil {
		return Place{}, nil, err
	}
	if table == nil {
		return Place{}, nil, ErrNoDebug
	}
	var last, row dwarf.LineEntry
	last.EndSequence = true
	for {
		if err := table.Next(&row); errors.Is(err, io.EOF) {
			return Place{}, nil, ErrNoDebug
		} else if err != nil {
			return Place{}, nil, err
		}
		if !last.EndSequence && last.Address <= pc && pc < row.Address {
			p := Place{Line: last.Line}
			if last.File != nil {
				p.File = sourceFile(last.File.Name)
			}
			return p, table.Files(), nil
		}
		last = row
	}
}

// function is the name of the function that e is a body of; that may stand with its declaration.
func (l *Lines) function(e *dwarf.Entry) string {
	for range 4 {
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			return clean(name)
		}
		origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok {
			origin, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset)
		}
		if !ok {
			return ""
		}
		r := l.data.Reader()
		r.Seek(origin)
		var err error
		if e, err = r.Next(); err != nil || e == nil {
			return ""
		}
	}
	return ""
}

// number is the value of an attribute that is a small number, or -1.
func number(e *dwarf.Entry, attr dwarf.Attr) int {
	n, ok := e.Val(attr).(int64)
	if !ok || n < 0 || n > 1<<30 {
		return -1
	}
	return int(n)
}

// builtAt are the folders that modules are built in: every build's own, and that of a DKMS package.
var builtAt = regexp.MustCompile(`^(?:` + guestBuild + `|/var/lib/dkms/[^/]+/[^/]+/build)/`)

// sourceFile is a file's name relative to the module's source, if it lies in there.
func sourceFile(name string) string {
	name = clean(path.Clean(name))
	return name[len(builtAt.FindString(name)):]
}

func symbolsOf(file *elf.File, symbols []elf.Symbol, bases []uint64) []codeSymbol {
	var code []codeSymbol
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		if file.Machine == elf.EM_ARM && kind == elf.STT_FUNC {
			s.Value &^= 1 // says that it is Thumb code (Linux arch/arm/include/asm/module.h, kallsyms_symbol_value)
		}
		if int(s.Section) >= len(bases) || bases[s.Section] == 0 || s.Name == "" || kind != elf.STT_FUNC && kind != elf.STT_NOTYPE {
			continue
		}
		end := bases[s.Section] + file.Sections[s.Section].Size
		if s.Value >= end {
			continue
		}
		c := codeSymbol{name: s.Name, addr: s.Value, limit: end}
		if s.Size > 0 && s.Size < end-s.Value {
			c.limit = s.Value + s.Size
		}
		code = append(code, c)
	}
	slices.SortFunc(code, func(a, b codeSymbol) int { return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.name, b.name)) })
	return code
}
