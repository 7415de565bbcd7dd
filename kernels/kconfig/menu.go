package kconfig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Menu is what a kernel's Kconfig files say of its symbols, as far as it tells why one cannot be set. What only the
// compiler or a shell could answer is taken to be in favour.
type Menu struct {
	symbols  map[string][]*definition
	selected map[string][]selection // who selects a symbol
}

// definition is one "config" or "menuconfig" block; a symbol may have several.
type definition struct {
	symbol   string
	place    string // file:line
	depends  expr   // its own, and those of what it stands in
	prompt   bool   // people may set it, as long as
	promptIf expr
	choice   *choice // nil: it is none of a choice
}

type selection struct {
	by   string
	when expr
}

type choice struct{ members []string }

const (
	maxFiles = 20_000  // a kernel has less than 2,000
	maxFile  = 2 << 20 // bytes; the largest has 90 KB
)

// ReadMenu reads the Kconfig file top and all that it sources. env are the variables that stand in their paths: SRCARCH.
// Errors name file and line.
func ReadMenu(tree fs.FS, top string, env map[string]string) (*Menu, error) {
	r := &menuReader{menu: &Menu{map[string][]*definition{}, map[string][]selection{}}, tree: tree, env: env}
	if err := r.file(top); err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	return r.menu, nil
}

// Known tells whether any Kconfig file defines symbol, given without CONFIG_.
func (m *Menu) Known(symbol string) bool { return len(m.symbols[symbol]) > 0 }

// block is what is open at a line: if, menu or choice.
type block struct {
	kind    string
	depends expr
	visible expr
	choice  *choice
}

type menuReader struct {
	menu   *Menu
	tree   fs.FS
	env    map[string]string
	files  int
	depth  int
	blocks []block
	now    *definition // that attributes belong to; nil: to the block that was just opened, or to nobody
	orphan bool        // attributes belong to a comment
}

func (r *menuReader) file(name string) error {
	if r.files++; r.files > maxFiles || r.depth > maxDepth {
		return fmt.Errorf("%s: too many files, or nested too deeply", name)
	}
	f, err := r.tree.Open(path.Clean(name))
	if err != nil {
		return err
	}
	defer f.Close()
	r.depth++
	defer func() { r.depth-- }()
	scan := bufio.NewScanner(io.LimitReader(f, maxFile))
	scan.Buffer(nil, 64<<10)
	open := len(r.blocks)
	help := helpText{}
	for n := 1; scan.Scan(); n++ {
		text := scan.Text()
		if help.swallows(text) {
			continue
		}
		at := n
		for strings.HasSuffix(text, `\`) && scan.Scan() {
			text = strings.TrimSuffix(text, `\`) + " " + scan.Text()
			n++
		}
		begins, err := r.line(strings.TrimSpace(text), fmt.Sprintf("%s:%d", name, at))
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, at, err)
		}
		help.begin(begins)
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(r.blocks) != open {
		return fmt.Errorf("%s: a block that begins there does not end there", name)
	}
	return nil
}

// helpText ends where a line is indented less than its first (Linux scripts/kconfig/lexer.l).
type helpText struct {
	inside bool
	indent int // of its first line; 0: that is not there yet
}

func (h *helpText) begin(yes bool) { h.inside, h.indent = yes, 0 }

func (h *helpText) swallows(line string) bool {
	if !h.inside || strings.TrimSpace(line) == "" {
		return h.inside
	}
	indent := 0
	for _, c := range line {
		if c == '\t' {
			indent = indent&^7 + 8
		} else if c == ' ' {
			indent++
		} else {
			break
		}
	}
	if h.indent == 0 {
		h.indent = indent
	}
	h.inside = indent > 0 && indent >= h.indent
	return h.inside
}

var (
	quoted = regexp.MustCompile(`^("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
	ofFile = regexp.MustCompile(`\$\(([A-Za-z0-9_]+)\)`)
)

// line reads one line, and says whether a help text begins after it.
func (r *menuReader) line(text, place string) (help bool, err error) {
	word, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	rest = strings.TrimSpace(rest)
	if word == "help" || word == "---help---" {
		return true, nil
	}
	if i := strings.Index(rest, " #"); i >= 0 && !strings.Contains(rest[i:], `"`) {
		rest = strings.TrimSpace(rest[:i])
	}
	switch word {
	case "config", "menuconfig":
		r.define(rest, place)
	case "source":
		return false, r.source(rest)
	case "if", "menu", "choice":
		return false, r.open(word, rest)
	case "endif", "endmenu", "endchoice":
		return false, r.close(strings.TrimPrefix(word, "end"))
	case "comment":
		r.now, r.orphan = nil, true
	default:
		return false, r.attribute(word, rest)
	}
	return false, nil
}

func (r *menuReader) define(symbol, place string) {
	d := &definition{symbol: symbol, place: place}
	for _, b := range r.blocks {
		d.depends, d.promptIf = both(d.depends, b.depends), both(d.promptIf, b.visible)
		if b.choice != nil {
			d.choice = b.choice
		}
	}
	if d.choice != nil {
		d.choice.members = append(d.choice.members, symbol)
	}
	r.menu.symbols[symbol] = append(r.menu.symbols[symbol], d)
	r.now, r.orphan = d, false
}

func (r *menuReader) source(rest string) error {
	name := ofFile.ReplaceAllStringFunc(strings.Trim(rest, `"'`), func(v string) string { return r.env[v[2:len(v)-1]] })
	r.now, r.orphan = nil, true
	if !fs.ValidPath(path.Clean(name)) {
		return fmt.Errorf("source %s leads out of the tree", rest)
	}
	return r.file(name)
}

func (r *menuReader) open(kind, rest string) error {
	b := block{kind: kind}
	if kind == "choice" {
		b.choice = &choice{}
	}
	r.now, r.orphan = nil, kind == "if"
	var err error
	if kind == "if" {
		b.depends, err = parseExpr(rest)
	}
	r.blocks = append(r.blocks, b)
	return err
}

func (r *menuReader) close(kind string) error {
	last := len(r.blocks) - 1
	if last < 0 || r.blocks[last].kind != kind {
		return fmt.Errorf("end of a %s that was not begun", kind)
	}
	r.blocks = r.blocks[:last]
	r.now, r.orphan = nil, true
	return nil
}

// attribute reads a line of the current definition or block. What is of no interest here is passed over.
func (r *menuReader) attribute(word, rest string) (err error) {
	switch word {
	case "bool", "tristate", "string", "int", "hex", "prompt":
		return r.prompt(rest)
	case "depends":
		var e expr
		if e, err = parseDepends(strings.TrimSpace(strings.TrimPrefix(rest, "on"))); err != nil || r.orphan {
			return err
		}
		if r.now != nil {
			r.now.depends = both(r.now.depends, e)
		} else if last := len(r.blocks) - 1; last >= 0 {
			r.blocks[last].depends = both(r.blocks[last].depends, e)
		}
	case "visible":
		var e expr
		if e, err = parseExpr(strings.TrimSpace(strings.TrimPrefix(rest, "if"))); err == nil && r.now == nil && !r.orphan && len(r.blocks) > 0 {
			last := len(r.blocks) - 1
			r.blocks[last].visible = both(r.blocks[last].visible, e)
		}
	case "select":
		if r.now == nil {
			return errors.New("select outside of a symbol")
		}
		target, cond, conditional := strings.Cut(rest, " if ")
		s := selection{by: r.now.symbol}
		if conditional {
			s.when, err = parseExpr(cond)
		}
		target = strings.TrimSpace(target)
		r.menu.selected[target] = append(r.menu.selected[target], s)
	}
	return err
}

// parseDepends reads "A", and what newer kernels write as "A if B", which is A || !B.
func parseDepends(text string) (expr, error) {
	text, cond, conditional := strings.Cut(text, " if ")
	e, err := parseExpr(text)
	if err != nil || !conditional {
		return e, err
	}
	when, err := parseExpr(cond)
	return or{e, not{when}}, err
}

// prompt reads what follows a type or "prompt": a text, perhaps with a condition. Without a text there is no prompt.
func (r *menuReader) prompt(rest string) (err error) {
	text := quoted.FindString(rest)
	if text == "" || r.now == nil {
		return nil
	}
	r.now.prompt = true
	if cond, ok := strings.CutPrefix(strings.TrimSpace(rest[len(text):]), "if "); ok {
		var e expr
		e, err = parseExpr(cond)
		r.now.promptIf = both(r.now.promptIf, e)
	}
	return err
}
