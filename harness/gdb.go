package harness

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// finalize is the function of the kernel that knows where a module's sections are: module_finalize(hdr, sechdrs, mod) comes once for each, when
// all is in its place and nothing of it has run (Linux kernel/module/main.c, post_relocation). hdr is the file, and sechdrs the table
// in it, with addresses. It is no inline function: architectures have their own.
const finalize = "module_finalize"

// debugger prepares gdb, in the run's folder, for a guest of tree with built. Nil: none is wanted.
type debugger struct {
	ready   func(command string) // called once the guest waits for gdb
	program string               // gdb
	tree    *kernels.Tree
	arch    arch.Arch
	built   []kbuild.Module
	source  string // the module's folder
	work    string
}

// newDebugger is one for the first target of p; nil where ready is.
func newDebugger(p *Plan, ready func(command string)) (*debugger, error) {
	if ready == nil {
		return nil, nil
	}
	machine := p.Targets[0].Arch
	program, err := vm.Debugger(machine)
	if err != nil {
		return nil, &UsageError{err}
	}
	row, _ := arch.OfMachine(machine) // else there is no QEMU of it
	return &debugger{ready: ready, program: program, arch: row, source: p.Spec.Module}, nil
}

// settle puts d's files into work, or into a folder of their own where the path of a socket in it is too long.
func (d *debugger) settle(work string) (cleanUp func(), err error) {
	d.work = work
	if len(d.socket()) <= vm.MaxSocketPath {
		return func() {}, nil
	}
	if d.work, err = os.MkdirTemp("", "modmatrix-"); err != nil {
		return nil, fmt.Errorf("make a folder for gdb: %w", err)
	}
	return func() { os.RemoveAll(d.work) }, nil
}

func (d *debugger) socket() string {
	if d == nil {
		return ""
	}
	return filepath.Join(d.work, "gdb.sock")
}

func (d *debugger) script() string { return filepath.Join(d.work, "gdb") }

// serve answers a guest that waits for the debugger, when one is there. It returns at once.
func (d *debugger) serve(ctx context.Context, m *machine, f wire.Frame, nonce string) error {
	if d == nil || f.Kind != wire.KindDebug {
		return nil
	}
	script, err := d.commands(f.Text)
	if err == nil {
		err = os.WriteFile(d.script(), script, 0o600)
	}
	if err != nil {
		return fmt.Errorf("prepare gdb: %w", err)
	}
	d.ready(results.ShellLine(d.program, "-x", d.script()))
	go func() {
		select {
		case <-ctx.Done():
		case <-m.Done():
		case <-m.Debugged():
			_ = wire.NewWriter(guestWriter{m.Process}, nonce).Write(wire.Frame{Kind: wire.KindAnswer, Count: f.Count}) // one that does not listen has ended
		}
	}()
	return nil
}

// commands are gdb's, in a file. at is where the guest says that finalize is.
func (d *debugger) commands(at string) ([]byte, error) {
	address, err := strconv.ParseUint(at, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("the kernel hides where its function %s is, so gdb cannot know when a module is loaded", finalize)
	}
	var w bytes.Buffer
	// What a stranger's module says gdb should load is not loaded.
	fmt.Fprintf(&w, "set auto-load no\nset pagination off\nset confirm off\nset breakpoint pending on\n")
	if path, err := filepath.Abs(d.source); err == nil && plainPath(path) {
		fmt.Fprintf(&w, "set substitute-path %s %s\n", sandbox.Home, strconv.Quote(path))
	}
	d.kernel(&w, address)
	fmt.Fprintf(&w, "target remote %s\n", d.socket())
	for _, m := range d.built {
		if err := d.module(&w, address+uint64(d.arch.Entry), m); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(&w, "continue\n")
	return w.Bytes(), nil
}

// kernel writes where the kernel's symbols are, with those helpers that its tree has.
func (d *debugger) kernel(w *bytes.Buffer, address uint64) {
	for _, path := range d.vmlinux() {
		linked, ok := symbolIn(path, finalize)
		if !ok || !plainPath(path) {
			continue
		}
		fmt.Fprintf(w, "add-symbol-file %s -o %#x\n", strconv.Quote(path), address-linked)
		if helpers := filepath.Join(filepath.Dir(path), "vmlinux-gdb.py"); there(helpers) && there(filepath.Join(filepath.Dir(path), "scripts/gdb/linux/constants.py")) {
			fmt.Fprintf(w, "source %s\n", helpers)
		}
		return
	}
	fmt.Fprintf(w, "echo modmatrix: no vmlinux with symbols of this kernel: its own functions have no names\\n\n")
}

// vmlinux are the files that may have the kernel's symbols: that of its tree, and those of debug packages that are installed.
func (d *debugger) vmlinux() []string {
	release := d.tree.Target.Release
	debug := "/usr/lib/debug"
	paths := []string{filepath.Join(debug, "boot/vmlinux-"+release), filepath.Join(debug, "lib/modules", release, "vmlinux"), filepath.Join(debug, "usr/lib/modules", release, "vmlinux")}
	if kdir, ok := hostPath(d.tree, d.tree.KDIR); ok {
		paths = append(paths, filepath.Join(kdir, "vmlinux"))
	}
	return append(paths, d.tree.Image) // some architectures boot the very file
}

// module writes what is done when m has its place: its symbols go to its sections, and gdb waits before the first line of its init.
func (d *debugger) module(w *bytes.Buffer, at uint64, m kbuild.Module) error {
	path := filepath.Join(d.work, m.Name+".ko")
	if !plainName.MatchString(m.Name) || !plainPath(path) {
		return fmt.Errorf("gdb cannot be given a module of the name %q", m.Name)
	}
	data, err := os.ReadFile(m.Path)
	if err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read %s: %w", m.Path, err)
	}
	if (f.Class == elf.ELFCLASS32) != (d.arch.Bits == 32) {
		return fmt.Errorf("%s is no module for %s", m.Path, d.arch.Name)
	}
	if err := os.WriteFile(path, d.withoutAddresses(data, f), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(w, "break *%#x%s\ncommands\nsilent\nadd-symbol-file %s%s\n", at, d.isThis(f, m.Name), strconv.Quote(path), d.sections(f))
	fmt.Fprintf(w, "printf \"modmatrix: %s has its place, and nothing of it has run: set breakpoints, and continue\\n\"\nend\n", m.Name)
	return nil
}

// isThis is the condition that the file which is loaded is f. Its section .modinfo, which has the name, stays where it is in the file.
func (d *debugger) isThis(f *elf.File, name string) string {
	s := f.Section(".modinfo")
	if s == nil {
		return ""
	}
	text, err := s.Data()
	word := append([]byte("name="+name), 0)
	i := bytes.Index(append([]byte{0}, text...), append([]byte{0}, word...))
	if err != nil || i < 0 {
		return ""
	}
	var tests []string
	for n, c := range word {
		tests = append(tests, fmt.Sprintf("*(char*)(%s+%d)==%d", d.arch.Args[0], s.Offset+uint64(i+n), c))
	}
	return " if " + strings.Join(tests, " && ")
}

// sections are the options with which gdb learns where the sections of f are.
func (d *debugger) sections(f *elf.File) string {
	size, offset, word := d.header()
	var options strings.Builder
	for i, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Size == 0 || !plainName.MatchString(s.Name) || slices.Contains([]string{".modinfo", "__versions"}, s.Name) {
			continue
		}
		fmt.Fprintf(&options, " -s %s *(%s*)(%s+%d)", s.Name, word, d.arch.Args[1], i*size+offset)
	}
	return options.String()
}

// header is the size of a section header, where in it the address is, and what C calls that (elf(5)).
func (d *debugger) header() (size, offset int, word string) {
	if d.arch.Bits == 32 {
		return 40, 12, "int"
	}
	return 64, 16, "long"
}

// withoutAddresses is the file f with the address zero in each section header. Some linkers leave others there, which mean nothing in a file
// that is to be linked, but let gdb take it for one that is (gdb/symfile.c, default_symfile_offsets): it finds no line then.
func (d *debugger) withoutAddresses(data []byte, f *elf.File) []byte {
	size, offset, _ := d.header()
	table := f.ByteOrder.Uint32(data[0x20:]) // e_shoff
	if d.arch.Bits == 64 {
		table = uint32(f.ByteOrder.Uint64(data[0x28:]))
	}
	data = slices.Clone(data)
	for i := range f.Sections {
		at := int(table) + i*size + offset
		clear(data[at : at+d.arch.Bits/8])
	}
	return data
}

// What gdb reads as words of its commands, and may hold no other: names in a module are a stranger's.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// plainPath reports whether gdb takes path for one word, in double quotes.
func plainPath(path string) bool {
	return !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == '$' })
}

// symbolIn is the address at which a file of ELF has a function of its own.
func symbolIn(path, name string) (address uint64, ok bool) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return 0, false
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name && s.Value != 0 })
	if i < 0 {
		return 0, false
	}
	return symbols[i].Value, true
}

// hostPath is where on the host a path of tree's root lies.
func hostPath(tree *kernels.Tree, path string) (string, bool) {
	for _, m := range slices.Backward(tree.Mounts) {
		if rest, ok := strings.CutPrefix(path+"/", m.Guest+"/"); ok && m.Host != "" {
			return filepath.Join(m.Host, rest), true
		}
	}
	return path, tree.Root.Dir == "" && filepath.IsAbs(path)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
