// Package mainline gives a module the shape that it would have in the kernel's own tree: its files in their place, an entry in Kconfig, a
// line in the Makefile, an entry in MAINTAINERS, no conditionals for other kernels, and the patches that bring all that about.
//
// The module's source and the kernel's are strangers' files: both are read and never obeyed, but for the kernel's own scripts and
// unifdef, which run in the sandbox. What cannot be derived is said, as what is left to do. This package must never know how a
// kernel is compiled, nor what becomes of the patches: it sends nothing to anybody.
package mainline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// Request says what shape is wanted. It is plain data.
type Request struct {
	Source  kbuild.Source
	Title   string       // what the module is called where it does not say so itself
	Linux   string       // host folder of the kernel's whole source
	Index   string       // what WriteIndex left of Linux
	Version string       // of that kernel, X.Y.Z: what conditionals are resolved for
	Base    string       // its commit; empty: it is of no repository
	Of      string       // what it is, in words, where it has no commit
	Into    string       // the folder of the kernel's tree, e.g. drivers/misc
	Author  string       // "Name <mail>" of who sends the patches; empty: as MODULE_AUTHOR says
	Plan    []Part       // how the patches are split; nil: everything is one
	Root    kernels.Root // with Needs in it
	Work    string       // an empty folder of the caller's
}

// Needs are the packages of the root in which the tools run.
var Needs = []string{"perl", "unifdef"}

// Shape is a module as it would be in the tree.
type Shape struct {
	Into    string            `json:"into"`    // the folder that the files are in
	Files   map[string]string `json:"-"`       // what is new or changed, by paths in the kernel's tree
	Options []Option          `json:"options"` // of Kconfig, one for each module
	Left    []string          `json:"left"`    // files of the source that do not go into the tree
	Todo    []Todo            `json:"todo"`    // what could not be derived
	Copies  []Copy            `json:"copies"`  // of modules that the tree has already
	Patches []Patch           `json:"patches"`

	base map[string]string // what was there of Files
	ours []string          // those of Files that hold the module's own source
}

// Option is what configures a module.
type Option struct {
	Name    string `json:"name"`    // without CONFIG_
	Module  string `json:"module"`  // as lsmod has it
	Depends []Need `json:"depends"` // options that its symbols come from, and that a person chooses
	Selects []Need `json:"selects"` // those that nobody chooses
}

// Need is an option, and why it is one: a symbol of those that are used, and the file that has it.
type Need struct {
	Option string `json:"option"`
	Symbol string `json:"symbol"`
	File   string `json:"file"`
}

// Todo is something that only its author can decide.
type Todo struct {
	Where string `json:"where,omitempty"` // file:line, or a file
	What  string `json:"what"`
}

func (t Todo) String() string {
	if t.Where == "" {
		return t.What
	}
	return t.Where + ": " + t.What
}

// maxFile bounds a file that is read, in bytes. MAINTAINERS has 700 KiB, the largest driver's table some MiB.
const maxFile = 16 << 20

type maker struct {
	Request
	shape *Shape
	src   *os.Root // the private copy of the module's source
	linux *os.Root
	tree  *index
	mods  []module

	headers headers
}

// Make returns the shape of a module. A *kbuild.SourceError says what its source lacks for one.
func Make(ctx context.Context, r Request) (*Shape, error) {
	into := path.Clean(r.Into)
	if !filepath.IsLocal(into) || into == "." || strings.ContainsAny(into, "\\: \t\n") {
		return nil, &kbuild.SourceError{Path: r.Into, Problem: "is no folder inside a kernel's tree", Cure: "name one such as drivers/misc"}
	}
	r.Into = into
	copied := filepath.Join(r.Work, "module")
	if err := os.Mkdir(copied, 0o755); err != nil {
		return nil, err
	}
	strays, err := r.Source.Copy(ctx, copied)
	if err != nil {
		return nil, err
	}
	m := &maker{Request: r, shape: &Shape{Into: into, Files: map[string]string{}, base: map[string]string{},
		Options: []Option{}, Left: []string{}, Todo: []Todo{}, Copies: []Copy{}, Patches: []Patch{}}}
	for _, note := range kbuild.StraysNote(strays) {
		m.todo("", "%s", note)
	}
	if m.src, err = os.OpenRoot(filepath.Join(copied, r.Source.Folder)); err != nil {
		return nil, err
	}
	defer m.src.Close()
	if m.linux, err = os.OpenRoot(r.Linux); err != nil {
		return nil, err
	}
	defer m.linux.Close()
	for _, step := range []func(context.Context) error{m.look, m.read, m.place, m.resolve, m.include, m.depend, m.enter, m.maintain, m.compare, m.patch} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return m.shape, ctx.Err()
}

// look refuses a folder that the kernel's tree has not, and indexes the tree.
func (m *maker) look(context.Context) (err error) {
	for _, name := range []string{"Kconfig", "Makefile"} {
		if _, err := m.base(path.Join(m.Into, name)); errors.Is(err, fs.ErrNotExist) {
			return &kbuild.SourceError{Path: m.Into, Problem: "the kernel's tree has no " + name + " there", Cure: "name a folder that has Kconfig and Makefile, such as drivers/misc"}
		} else if err != nil {
			return err
		}
	}
	m.tree, err = readIndex(m.Index)
	return err
}

// base is a file of the kernel's tree as it was.
func (m *maker) base(name string) (string, error) {
	if text, ok := m.shape.base[name]; ok {
		return text, nil
	}
	text, err := kernels.ReadRegular(m.linux, name, maxFile)
	if err != nil {
		return "", err
	}
	return string(text), nil
}

// change replaces a file of the kernel's tree.
func (m *maker) change(name string, edit func(text string) string) error {
	text, err := m.base(name)
	if err != nil {
		return fmt.Errorf("read the kernel's %s: %w", name, err)
	}
	m.shape.base[name] = text
	if changed, ok := m.shape.Files[name]; ok {
		text = changed
	}
	m.shape.Files[name] = edit(text)
	return nil
}

func (m *maker) todo(where, format string, args ...any) {
	t := Todo{Where: where, What: fmt.Sprintf(format, args...)}
	if !slices.Contains(m.shape.Todo, t) {
		m.shape.Todo = append(m.shape.Todo, t)
	}
}

var notInName = regexp.MustCompile(`[^A-Z0-9]+`)

// optionName is a module's name as Kconfig has names.
func optionName(module string) string {
	return strings.Trim(notInName.ReplaceAllString(strings.ToUpper(module), "_"), "_")
}
