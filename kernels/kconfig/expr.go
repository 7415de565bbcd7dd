package kconfig

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// expr is an expression of the Kconfig language (Linux Documentation/kbuild/kconfig-language.rst, "Menu dependencies").
// The nil expression is y.
type expr interface {
	// eval is 0 for n, 1 for m and 2 for y.
	eval(Config) int
	String() string
}

type (
	atom    string // a symbol or a quoted or bare constant
	macro   string // $(…), which only the compiler or a shell could answer: taken for y
	not     struct{ x expr }
	and     struct{ x, y expr }
	or      struct{ x, y expr }
	compare struct {
		x, y atom
		op   string
	}
)

func (a atom) eval(c Config) int {
	v := string(a)
	if v != "y" && v != "m" && v != "n" {
		v = c.Value(v)
	}
	return map[string]int{"m": 1, "y": 2}[v]
}

func (macro) eval(Config) int   { return 2 }
func (e not) eval(c Config) int { return 2 - e.x.eval(c) }
func (e and) eval(c Config) int { return min(e.x.eval(c), e.y.eval(c)) }
func (e or) eval(c Config) int  { return max(e.x.eval(c), e.y.eval(c)) }

func (e compare) eval(c Config) int {
	x, y := e.x.text(c), e.y.text(c)
	order := cmp.Compare(x, y)
	if i, err := strconv.ParseInt(x, 0, 64); err == nil {
		if j, err := strconv.ParseInt(y, 0, 64); err == nil {
			order = cmp.Compare(i, j)
		}
	}
	if map[string]bool{"=": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[e.op] {
		return 2
	}
	return 0
}

// constant are words that are themselves in a comparison; all others are symbols, unless they are quoted.
var constant = regexp.MustCompile(`^(y|m|n|-?\d+|0[xX][0-9a-fA-F]+)$`)

// text is what stands for an atom in a comparison: a symbol that is not set is n (Linux scripts/kconfig/symbol.c).
func (a atom) text(c Config) string {
	s := string(a)
	switch {
	case strings.HasPrefix(s, `"`) || strings.HasPrefix(s, `'`):
		return strings.Trim(s, `"'`)
	case constant.MatchString(s):
		return s
	}
	return cmp.Or(c.Value(s), "n")
}

func (a atom) String() string    { return string(a) }
func (m macro) String() string   { return string(m) }
func (e not) String() string     { return "!" + group(e.x) }
func (e and) String() string     { return group(e.x) + " && " + group(e.y) }
func (e or) String() string      { return e.x.String() + " || " + e.y.String() }
func (e compare) String() string { return fmt.Sprintf("%s %s %s", e.x, e.op, e.y) }

func group(e expr) string {
	if _, ok := e.(or); ok {
		return "(" + e.String() + ")"
	}
	return e.String()
}

// unmet are the parts of e that must hold together and of which c has less than want.
func unmet(e expr, c Config, want int) []expr {
	if both, ok := e.(and); ok {
		return append(unmet(both.x, c, want), unmet(both.y, c, want)...)
	}
	if e == nil || e.eval(c) >= want {
		return nil
	}
	return []expr{e}
}

// both is x && y.
func both(x, y expr) expr {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return and{x, y}
}

// maxDepth bounds how deep parentheses and files may be nested.
const maxDepth = 100

var tokens = regexp.MustCompile(`^\s*(&&|\|\||!=|<=|>=|[!()=<>]|"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.+/-]+)`)

type exprParser struct {
	rest  string
	token string
	depth int
	err   error
}

// parseExpr reads an expression.
func parseExpr(text string) (expr, error) {
	p := &exprParser{rest: text}
	p.next()
	e := p.or()
	if p.err == nil && p.token != "" {
		p.err = fmt.Errorf("unexpected %q", p.token)
	}
	if p.err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, p.err)
	}
	return e, nil
}

func (p *exprParser) next() {
	p.rest = strings.TrimSpace(p.rest)
	p.token = ""
	if p.rest == "" || p.err != nil {
		return
	}
	if n := macroLen(p.rest); n > 0 {
		p.token, p.rest = p.rest[:n], p.rest[n:]
		return
	}
	m := tokens.FindStringSubmatch(p.rest)
	if m == nil {
		p.err = errors.New("not understood from here: " + strconv.Quote(p.rest))
		return
	}
	p.token, p.rest = m[1], p.rest[len(m[0]):]
}

// macroLen is the length of the $(…) that text begins with, else 0.
func macroLen(text string) int {
	if !strings.HasPrefix(text, "$(") {
		return 0
	}
	open := 0
	for i, c := range text {
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return 0
}

func (p *exprParser) or() expr {
	e := p.and()
	for p.err == nil && p.token == "||" {
		p.next()
		e = or{e, p.and()}
	}
	return e
}

func (p *exprParser) and() expr {
	e := p.not()
	for p.err == nil && p.token == "&&" {
		p.next()
		e = and{e, p.not()}
	}
	return e
}

func (p *exprParser) not() expr {
	if p.depth++; p.depth > maxDepth {
		p.err = errors.New("nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.err != nil:
		return atom("n")
	case p.token == "!":
		p.next()
		return not{p.not()}
	case p.token == "(":
		p.next()
		e := p.or()
		if p.err == nil && p.token != ")" {
			p.err = errors.New("')' is missing")
		}
		p.next()
		return e
	case strings.HasPrefix(p.token, "$("):
		e := macro(p.token)
		p.next()
		if isComparison(p.token) { // of what a shell said
			p.next()
			p.next()
		}
		return e
	}
	return p.comparison()
}

func (p *exprParser) comparison() expr {
	x := p.operand()
	if !isComparison(p.token) {
		return x
	}
	op := p.token
	p.next()
	if strings.HasPrefix(p.token, "$(") {
		e := macro(p.token)
		p.next()
		return e
	}
	return compare{x, p.operand(), op}
}

func (p *exprParser) operand() atom {
	a := atom(p.token)
	if a == "" || strings.ContainsAny(string(a[:1]), "&|!()=<>") {
		if p.err == nil {
			p.err = errors.New("a symbol is missing")
		}
		return "n"
	}
	p.next()
	return a
}

func isComparison(token string) bool {
	switch token {
	case "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}
