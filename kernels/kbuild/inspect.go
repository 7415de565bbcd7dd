package kbuild

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// maxModinfo bounds a module's .modinfo section: real ones hold a few KiB, those with thousands of aliases some 100 KiB.
const maxModinfo = 4 << 20

// Module is what a .ko says of itself.
type Module struct {
	Name       string // as the kernel knows it, with _ for -
	Path       string // of the file on the host
	Arch       string // uname -m of the machine that it is for; what the ELF header says where no such is known
	Size       int64  // bytes
	Vermagic   string // the release it was built for comes first
	Version    string // MODULE_VERSION; empty when it has none
	SrcVersion string // checksum of the sources; empty where the kernel asks for none
	License    string // the first MODULE_LICENSE
	// Description and Authors are the first MODULE_DESCRIPTION, and every MODULE_AUTHOR.
	Description string   `json:",omitempty"`
	Authors     []string `json:",omitempty"`
	Depends     []string
	SoftDeps    []string // MODULE_SOFTDEP lines as written, e.g. "pre: crc32c"
	Params      []Param
	Aliases     []string // MODULE_ALIAS and MODULE_DEVICE_TABLE: patterns of what modprobe loads it for, and of what it drives
	Firmware    []string // MODULE_FIRMWARE: files that it may ask for
}

// Param is a parameter that a module takes.
type Param struct {
	Name, Type, Description string // Type in the kernel's words: int, bool, charp, array of int …
}

// Release is the release that the module was built for: the first word of its vermagic (Linux include/linux/vermagic.h).
func (m Module) Release() string {
	release, _, _ := strings.Cut(m.Vermagic, " ")
	return release
}

// Inspect reads the module at path. It errs on anything that the kernel would not take for a module: not an ELF
// relocatable, no .modinfo with a vermagic, no struct module (Linux kernel/module/main.c, elf_validity_cache_copy).
func Inspect(path string) (Module, error) {
	f, err := os.Open(path)
	if err != nil {
		return Module{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Module{}, err
	}
	return inspect(path, f, info.Size())
}

// InspectData is Inspect of a module that is in memory, unpacked: name is what its file is called.
func InspectData(name string, data []byte) (Module, error) {
	return inspect(name, bytes.NewReader(data), int64(len(data)))
}

func inspect(path string, r io.ReaderAt, size int64) (Module, error) {
	m, err := parseModule(r)
	if err != nil {
		return Module{}, fmt.Errorf("%s is not a kernel module: %w", path, err)
	}
	m.Path, m.Size = path, size
	if m.Name == "" {
		m.Name = kernels.ModuleName(path)
	}
	return m, nil
}

func parseModule(r io.ReaderAt) (Module, error) {
	file, err := elf.NewFile(r)
	if errors.Is(err, io.EOF) {
		return Module{}, errors.New("too short for an ELF file")
	}
	if err != nil {
		return Module{}, err
	}
	if file.Type != elf.ET_REL {
		return Module{}, fmt.Errorf("ELF type %v", file.Type)
	}
	if file.Section(".gnu.linkonce.this_module") == nil {
		return Module{}, errors.New("no section .gnu.linkonce.this_module")
	}
	section := file.Section(".modinfo")
	if section == nil || section.Type == elf.SHT_NOBITS {
		return Module{}, errors.New("no section .modinfo")
	}
	raw, err := io.ReadAll(io.LimitReader(section.Open(), maxModinfo))
	if err != nil {
		return Module{}, fmt.Errorf("read .modinfo: %w", err)
	}
	m := parseModinfo(raw)
	if m.Vermagic == "" {
		return Module{}, errors.New("no vermagic")
	}
	m.Arch = archOf(file.FileHeader)
	return m, nil
}

func archOf(h elf.FileHeader) string {
	if a, ok := arch.OfELF(h); ok {
		return a.Name
	}
	return fmt.Sprintf("%v (%v, %v)", h.Machine, h.Class, h.Data)
}

// parseModinfo reads the NAME=value strings of .modinfo, separated by zero bytes.
func parseModinfo(raw []byte) Module {
	var m Module
	words := map[string]*string{"name": &m.Name, "vermagic": &m.Vermagic, "version": &m.Version, "srcversion": &m.SrcVersion, "license": &m.License, "description": &m.Description}
	params := map[string]*Param{}
	for _, field := range bytes.Split(raw, []byte{0}) {
		key, value, ok := strings.Cut(string(field), "=")
		if !ok || !utf8.ValidString(value) {
			continue
		}
		switch key {
		case "vermagic", "license", "description": // the kernel believes the first (kernel/module/main.c, get_next_modinfo)
			*words[key] = cmp.Or(*words[key], value)
		case "name", "version", "srcversion":
			*words[key] = value
		case "depends":
			m.Depends = append(m.Depends, strings.FieldsFunc(value, func(r rune) bool { return r == ',' })...)
		case "softdep":
			m.SoftDeps = append(m.SoftDeps, value)
		case "author":
			m.Authors = append(m.Authors, value)
		case "alias":
			m.Aliases = append(m.Aliases, value)
		case "firmware":
			m.Firmware = append(m.Firmware, value)
		case "parm", "parmtype":
			name, rest, _ := strings.Cut(value, ":")
			if params[name] == nil {
				params[name] = &Param{Name: name}
			}
			if key == "parmtype" {
				params[name].Type = rest
			} else {
				params[name].Description = rest
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		m.Params = append(m.Params, *params[name])
	}
	return m
}

// maxMakefile bounds what is read of a Makefile for the static look; the largest real ones are a few hundred KiB.
const maxMakefile = 4 << 20

// declares finds an assignment to obj-m or one of its kin; mayDeclare finds, besides, what can bring one about unseen.
var (
	declares   = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-[^\n=]*=`)
	mayDeclare = regexp.MustCompile(`(?m)^[ \t]*-?s?include\b|\$[({](?:eval|call)\b|obj-|subdir-`)
	comments   = regexp.MustCompile(`(?m)(^|[ \t])#.*$`)
)

// CheckSource takes a static look at the folder of an external module: a *SourceError says that it is not there, has neither
// Makefile nor Kbuild, or that these declare nothing to build, and call no folder that does. What only make itself can find out passes.
func CheckSource(dir string) error {
	root, err := openSource(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name, text, err := kbuildFile(root, ".")
	switch none := errors.Is(err, fs.ErrNotExist); {
	case err != nil && !none:
		return err
	case !none && mayDeclare.MatchString(text), declaredBelow(root) != "" && callsKernel(forPeople(root, ".")):
		return nil
	case none && isFile(root, "makefile"):
		return noModule(root, dir, "no Makefile and no Kbuild: the kernel's build system does not read its makefile", "rename it to Makefile or Kbuild")
	case none:
		return noModule(root, dir, "no Makefile and no Kbuild", "add one with a line like obj-m := NAME.o")
	}
	return noModule(root, filepath.Join(dir, name), "declares no module", "add a line like obj-m := NAME.o")
}

// HasMakefile reports whether the kernel's build system finds something to read in the folder dir.
func HasMakefile(dir string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	return isFile(root, "Kbuild") || isFile(root, "Makefile")
}

// noModule is the error of a folder that is no module's; one below it may be.
func noModule(root *os.Root, at, problem, cure string) error {
	e := &SourceError{Path: at, Problem: problem, Cure: cure, Below: declaredBelow(root)}
	if e.Below != "" {
		e.Cure = "did you mean " + filepath.Join(root.Name(), e.Below) + "?"
	}
	return e
}

func isFile(root *os.Root, name string) bool {
	info, err := root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// kbuildFile reads what Kbuild would take in dir, without comments: Kbuild before Makefile (Linux scripts/Kbuild.include, kbuild-file).
func kbuildFile(root *os.Root, dir string) (name, text string, err error) {
	for _, name = range []string{"Kbuild", "Makefile"} {
		if !isFile(root, path.Join(dir, name)) {
			continue
		}
		f, err := kernels.OpenRegular(root, path.Join(dir, name))
		if err != nil {
			return name, "", err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxMakefile))
		return name, plainMakefile(text), err
	}
	return "", "", fs.ErrNotExist
}

// declaredBelow is a folder in root that declares a module; empty where none does.
func declaredBelow(root *os.Root) (found string) {
	fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || name == "." {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") || strings.Count(name, "/") > 2 {
			return fs.SkipDir
		}
		if _, text, err := kbuildFile(root, name); err == nil && declares.MatchString(text) {
			found = name
			return fs.SkipAll
		}
		return nil
	})
	return found
}
