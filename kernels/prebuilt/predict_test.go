package prebuilt

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
	"github.com/modmatrix/modmatrix/results"
)

const (
	on57 = "6.1.0-57-amd64 SMP preempt mod_unload modversions "
	on47 = "6.1.0-47-amd64 SMP preempt mod_unload modversions "
	off7 = "7.3.4+deb13-amd64 SMP preempt mod_unload "
)

// kernel is 6.1.0-57 with symbol versions, on which what a test changes is changed.
func kernel(t *testing.T, change func(*Kernel)) Kernel {
	t.Helper()
	symbols, err := parseSymvers(strings.NewReader(strings.Join([]string{
		"0x0000000a\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t",
		"0x0000000b\t_printk\tvmlinux\tEXPORT_SYMBOL\t",
		"0x0000000c\tclass_create\tvmlinux\tEXPORT_SYMBOL_GPL\t",
		"0x0000000d\tdma_buf_get\tvmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF",
		"0x0000000e\tvideo_register\tdrivers/media/videodev\tEXPORT_SYMBOL\t",
		"0x0000000f\tfor_few\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:fifo*,kvm-intel",
		"0x00000000\tno_version\tvmlinux\tEXPORT_SYMBOL\t"}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	k := Kernel{Release: "6.1.0-57-amd64", Vermagic: on57, Machine: machine{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}, Struct: 1024, Symbols: symbols,
		Options: map[string]bool{modversions: true, forceLoad: true, btf: true},
		Loads: func(depends []string) []string {
			return slices.DeleteFunc(slices.Clone(depends), func(d string) bool { return d != "videodev" })
		}}
	if change != nil {
		change(&k)
	}
	return k
}

// file is the module of a test as it is read.
func file(t testing.TB, m kotest.Module) File {
	t.Helper()
	if m.Name == "" {
		m.Name = "fifo"
	}
	b, err := Read(m.Name+".ko", m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return File{Binary: b, Origin: m.Name + ".ko"}
}

var layout = kotest.Version{Name: "module_layout", CRC: 10}

func with(versions ...kotest.Version) []kotest.Version {
	return append([]kotest.Version{layout}, versions...)
}

func TestPredict(t *testing.T) {
	without := func(k *Kernel) { k.Options[modversions] = false }
	for name, c := range map[string]struct {
		module kotest.Module
		kernel func(*Kernel)
		beside []kotest.Module
		want   string
	}{
		"another release, the same versions": {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with(kotest.Version{Name: "_printk", CRC: 11})}, nil, nil,
			"taken: all 1 symbols that it asks for have the versions that it was built with"},
		"its own release":                         {kotest.Module{Vermagic: on57, Wants: []string{"_printk"}, Versions: with()}, nil, nil, "taken: it was built for this kernel, which exports all 1 symbols that it asks for"},
		"a changed version":                       {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with(kotest.Version{Name: "_printk", CRC: 99})}, nil, nil, "refused: symbol _printk has the version 0x0000000b, and it was built with 0x00000063"},
		"the first of two versions of one symbol": {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with(kotest.Version{Name: "_printk", CRC: 11}, kotest.Version{Name: "_printk", CRC: 9})}, nil, nil, "taken: "},
		"module_layout before all else": {kotest.Module{Vermagic: on47, Wants: []string{"gone"}, Versions: []kotest.Version{{Name: "module_layout", CRC: 1}}}, nil, nil,
			"refused: symbol module_layout has the version 0x0000000a, and it was built with 0x00000001; and 1 more"},
		"a symbol without a version is forgiven": {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with()}, nil, nil, "taken: "},
		"a symbol that has none in the kernel":   {kotest.Module{Vermagic: on47, Wants: []string{"no_version"}, Versions: with(kotest.Version{Name: "no_version", CRC: 7})}, nil, nil, "taken: "},
		"a missing symbol":                       {kotest.Module{Vermagic: on47, Wants: []string{"gone"}, Versions: with()}, nil, nil, "refused: symbol gone is not there"},
		"a missing weak symbol":                  {kotest.Module{Vermagic: on47, Weak: []string{"gone"}, Versions: with()}, nil, nil, "taken: "},
		"what x86 does not look for":             {kotest.Module{Vermagic: on47, Wants: []string{"_GLOBAL_OFFSET_TABLE_"}, Versions: with()}, nil, nil, "taken: "},
		"what PowerPC does not look for": {kotest.Module{Vermagic: on47, Machine: elf.EM_PPC64, Wants: []string{".TOC."}, Versions: with()}, func(k *Kernel) { k.Machine.Machine = elf.EM_PPC64 },
			nil, "taken: "},
		"a symbol under the GPL":                                {kotest.Module{Vermagic: on47, License: "Proprietary", Wants: []string{"class_create"}, Versions: with()}, nil, nil, `refused: symbol class_create is for modules under the GPL alone, and its licence is "Proprietary"`},
		"dual licences are good":                                {kotest.Module{Vermagic: on47, License: "Dual BSD/GPL", Wants: []string{"class_create"}, Versions: with()}, nil, nil, "taken: "},
		"a namespace":                                           {kotest.Module{Vermagic: on47, Wants: []string{"dma_buf_get"}, Versions: with()}, nil, nil, "refused: symbol dma_buf_get is in the namespace DMA_BUF, which it does not import"},
		"a namespace that it imports":                           {kotest.Module{Vermagic: on47, Info: []string{"import_ns=DMA_BUF"}, Wants: []string{"dma_buf_get"}, Versions: with()}, nil, nil, "taken: "},
		"a namespace that nobody asks for":                      {kotest.Module{Vermagic: on47, Wants: []string{"dma_buf_get"}, Versions: with()}, func(k *Kernel) { k.Options[anyImports] = true }, nil, "taken: "},
		"a namespace for modules by name":                       {kotest.Module{Vermagic: on47, Wants: []string{"for_few"}, Versions: with()}, nil, nil, "taken: "},
		"a namespace for other modules":                         {kotest.Module{Name: "other", Vermagic: on47, Wants: []string{"for_few"}, Versions: with()}, nil, nil, "refused: symbol for_few is in the namespace module:fifo*,kvm-intel"},
		"of a module that it depends on":                        {kotest.Module{Vermagic: on47, Info: []string{"depends=videodev"}, Wants: []string{"video_register"}, Versions: with()}, nil, nil, "taken: "},
		"of a module that nobody loads":                         {kotest.Module{Vermagic: on47, Wants: []string{"video_register"}, Versions: with()}, nil, nil, "refused: symbol video_register is not there: the kernel's module videodev exports it"},
		"of a module beside it":                                 {kotest.Module{Vermagic: on47, Wants: []string{"core_get"}, Versions: with()}, nil, []kotest.Module{{Name: "core", Vermagic: on47, Exports: []string{"core_get"}}}, "taken: "},
		"a symbol that the kernel has":                          {kotest.Module{Vermagic: on47, Exports: []string{"_printk"}, Versions: with()}, nil, nil, "refused: it exports the symbol _printk, and so does the kernel"},
		"no versions, and none are asked for":                   {kotest.Module{Vermagic: off7}, func(k *Kernel) { without(k); k.Vermagic, k.Release = off7, "7.3.4+deb13-amd64" }, nil, "taken: it was built for this kernel"},
		"another release without versions":                      {kotest.Module{Vermagic: strings.Replace(off7, "7.3.4", "7.3.5", 1)}, func(k *Kernel) { without(k); k.Vermagic = off7 }, nil, "refused: its vermagic is "},
		"versions do not help where none are asked for":         {kotest.Module{Vermagic: on57, Versions: with()}, func(k *Kernel) { without(k); k.Vermagic = off7 }, nil, `refused: its vermagic is "` + on57 + `"`},
		"no versions where they are asked for":                  {kotest.Module{Vermagic: on57}, nil, nil, "taken: it has no symbol versions, and is loaded by force"},
		"no versions where they are asked for, and no force":    {kotest.Module{Vermagic: on57}, func(k *Kernel) { k.Options[forceLoad] = false }, nil, "refused: it has no symbol versions"},
		"no versions and another release":                       {kotest.Module{Vermagic: on47}, nil, nil, `refused: its vermagic is "` + on47},
		"other words of the vermagic":                           {kotest.Module{Vermagic: "6.1.0-47-rt-amd64 SMP preempt_rt mod_unload modversions ", Versions: with()}, nil, nil, "refused: its vermagic is "},
		"extended versions on a kernel that reads them":         {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with(), Extended: with(kotest.Version{Name: "_printk", CRC: 1})}, func(k *Kernel) { k.Options[extended] = true }, nil, "refused: symbol _printk has the version"},
		"extended versions on a kernel that does not":           {kotest.Module{Vermagic: on47, Wants: []string{"_printk"}, Versions: with(), Extended: with(kotest.Version{Name: "_printk", CRC: 1})}, nil, nil, "taken: "},
		"extended versions alone do not make the release equal": {kotest.Module{Vermagic: on47, Extended: with()}, func(k *Kernel) { k.Options[basic] = true }, nil, "refused: its vermagic is "},
		"extended versions alone, and an old kernel":            {kotest.Module{Vermagic: on57, Extended: with()}, nil, nil, "taken: it has no symbol versions, and is loaded by force"},
		"another processor":                                     {kotest.Module{Vermagic: on47, Versions: with(), Machine: elf.EM_AARCH64}, nil, nil, "refused: it is for AARCH64, CLASS64, DATA2LSB, and the kernel for X86_64, CLASS64, DATA2LSB"},
		"unsigned where signatures are forced":                  {kotest.Module{Vermagic: on57, Versions: with()}, func(k *Kernel) { k.Options[sigForce] = true }, nil, "refused: it is not signed"},
		"signed where signatures are forced":                    {kotest.Module{Vermagic: on57, Versions: with(), Tail: signature}, func(k *Kernel) { k.Options[sigForce] = true }, nil, "unknown: the kernel takes modules that are signed with a key that it trusts"},
		"a live patch":                                          {kotest.Module{Vermagic: on57, Versions: with(), Info: []string{"livepatch=Y"}}, nil, nil, "refused: it is a live patch"},
		"types of another kernel":                               {kotest.Module{Vermagic: on47, Versions: with(), Sections: []kotest.Section{{Name: ".BTF", Type: elf.SHT_PROGBITS, Data: []byte("x")}}}, nil, nil, "unknown: its types (BTF)"},
		"types that say what they refer to":                     {kotest.Module{Vermagic: on47, Versions: with(), Sections: []kotest.Section{{Name: ".BTF", Type: elf.SHT_PROGBITS}, {Name: ".BTF.base", Type: elf.SHT_PROGBITS}}}, nil, nil, "taken: "},
		"no Module.symvers":                                     {kotest.Module{Vermagic: on57, Versions: with()}, func(k *Kernel) { k.Symbols = nil }, nil, "unknown: the kernel's headers have no Module.symvers"},
		"no module of the kernel's own":                         {kotest.Module{Vermagic: on47, Versions: with()}, func(k *Kernel) { k.Vermagic = "" }, nil, "unknown: the kernel has no module of its own"},
		"another struct module where nothing else speaks of it": {kotest.Module{Vermagic: off7, Struct: 1088}, func(k *Kernel) { without(k); k.Vermagic = off7 }, nil, "unknown: its struct module has 1088 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			set := []File{file(t, c.module)}
			for _, m := range c.beside {
				set = append(set, file(t, m))
			}
			p := kernel(t, c.kernel).Predict(set[0], set)
			if got := fmt.Sprintf("%s: %s", p.Predicted, p.Why); !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if (p.Predicted == results.Refused) != (len(p.Breaks) > 0) {
				t.Errorf("%s by %d breaks", p.Predicted, len(p.Breaks))
			}
		})
	}
}

// A list of breaks has an end, and says how many are left out.
func TestPredictManyBreaks(t *testing.T) {
	m := kotest.Module{Vermagic: on47, Versions: with()}
	for i := range 50 {
		m.Wants = append(m.Wants, fmt.Sprintf("gone_%d", i))
	}
	f := file(t, m)
	p := kernel(t, nil).Predict(f, []File{f})
	if len(p.Breaks) != maxBreaks || p.More != 30 || !strings.HasSuffix(p.Why, "and 49 more") || p.Breaks[0].Symbol != "gone_0" {
		t.Errorf("%d breaks and %d more: %s", len(p.Breaks), p.More, p.Why)
	}
}

// Of several builds a kernel gets its own, else one that fits, else the nearest.
func TestFor(t *testing.T) {
	made := func(release string, crc uint32) File {
		return file(t, kotest.Module{Vermagic: release + " SMP preempt mod_unload modversions ", Wants: []string{"_printk"}, Versions: with(kotest.Version{Name: "_printk", CRC: crc})})
	}
	for name, c := range map[string]struct {
		files []File
		want  string
	}{
		"its own, even where that is refused": {[]File{made("6.1.0-57-amd64", 1), made("6.1.0-50-amd64", 11)}, "6.1.0-57-amd64 refused"},
		"the newest that is older and fits":   {[]File{made("6.1.0-47-amd64", 11), made("6.1.0-50-amd64", 11), made("6.1.0-56-amd64", 1)}, "6.1.0-50-amd64 taken"},
		"the oldest that is newer and fits":   {[]File{made("6.1.0-47-amd64", 1), made("6.1.0-60-amd64", 11), made("6.1.0-59-amd64", 11)}, "6.1.0-59-amd64 taken"},
		"the nearest where none fits":         {[]File{made("5.10.0-1-amd64", 1), made("6.1.0-50-amd64", 1), made("6.12.1-amd64", 1)}, "6.1.0-50-amd64 refused"},
		"the nearest that is newer":           {[]File{made("7.3.4-amd64", 1), made("6.12.1-amd64", 1)}, "6.12.1-amd64 refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Set{Files: c.files}
			s.sort()
			got := s.For(kernel(t, nil))
			if len(got) != 1 || fmt.Sprint(got[0].Release(), " ", got[0].Prediction.Predicted) != c.want {
				t.Errorf("got %s %s, want %s", got[0].Release(), got[0].Prediction.Predicted, c.want)
			}
		})
	}
	core := file(t, kotest.Module{Name: "core", Vermagic: on47, Versions: with(), Exports: []string{"core_get"}})
	s := &Set{Files: []File{made("6.1.0-57-amd64", 11), core}}
	if got := s.For(kernel(t, nil)); len(got) != 2 || got[0].Name != "core" || got[1].Release() != "6.1.0-57-amd64" {
		t.Errorf("a module that one build lacks is not taken from another: %v", got)
	}
}

func TestSymvers(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "it is empty",
		"0x1 a vmlinux EXPORT_SYMBOL":       "line 1: not CRC, symbol, module and kind of export",
		"1\ta\tvmlinux\tEXPORT_SYMBOL":      "line 1: no CRC and symbol",
		"0x123456789\ta\tvmlinux\tEXPORT":   "line 1: no CRC and symbol",
		"0x1\t\tvmlinux\tEXPORT_SYMBOL_GPL": "line 1: no CRC and symbol",
	} {
		if _, err := parseSymvers(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	got, err := parseSymvers(strings.NewReader("0xdeadbeef\ta\tdrivers/a/b-c\tEXPORT_SYMBOL_GPL\tNS\n0x1\tb\tvmlinux\tEXPORT_SYMBOL\n"))
	if err != nil || got["a"] != (Symbol{0xdeadbeef, "b_c", true, "NS"}) || got["b"] != (Symbol{CRC: 1, Owner: "vmlinux"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzSymvers(f *testing.F) {
	f.Add("0xdeadbeef\ta\tdrivers/a/b-c\tEXPORT_SYMBOL_GPL\tNS\n0x1\tb\tvmlinux\tEXPORT_SYMBOL\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseSymvers(strings.NewReader(text))
		if err == nil && len(found) == 0 || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%d symbols, %v", len(found), err)
		}
	})
}

// Of a module for another machine there is nothing more to say than that: how it was compiled means nothing to this kernel.
func TestNotesAreOfModulesForTheSameMachine(t *testing.T) {
	k := kernel(t, func(k *Kernel) { k.Options[retpoline] = true })
	for machine, want := range map[elf.Machine]int{elf.EM_X86_64: 1, elf.EM_AARCH64: 0} {
		if notes := k.Notes(file(t, kotest.Module{Vermagic: on57, Machine: machine})); len(notes) != want {
			t.Errorf("%s: %q", machine, notes)
		}
	}
}
