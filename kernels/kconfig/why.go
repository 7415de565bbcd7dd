package kconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Why says in one line why symbol, given without CONFIG_, is not want in c, which came out of the kernel's own
// configuration with that wish: "depends on X, which is not set". The most that can be said is said; it never is empty.
func (m *Menu) Why(symbol, want string, c Config) string {
	defs := m.symbols[symbol]
	if len(defs) == 0 {
		return "no Kconfig file of this kernel has it"
	}
	if want == "n" {
		if by := m.selectors(symbol, c); len(by) > 0 {
			return "selected by " + strings.Join(by, ", ")
		}
		return "it cannot be switched off: " + said(defs, c, 0)
	}
	level := 2
	if want == "m" {
		level = 1
	}
	return said(defs, c, level)
}

// said is the reason of the first definition that has one to give.
func said(defs []*definition, c Config, level int) string {
	var reasons []string
	for _, d := range defs {
		reasons = append(reasons, d.why(c, level))
	}
	slices.SortStableFunc(reasons, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return reasons[0]
}

// rank puts the vaguest reason last.
func rank(reason string) int {
	if strings.HasPrefix(reason, "the kernel") {
		return 1
	}
	return 0
}

func (d *definition) why(c Config, level int) string {
	if missing := unmet(d.depends, c, level); len(missing) > 0 {
		return fmt.Sprintf("it depends on %s (%s)", describe(missing, c), d.place)
	}
	if !d.prompt {
		return fmt.Sprintf("nobody but other symbols can set it (%s)", d.place)
	}
	if missing := unmet(d.promptIf, c, 1); len(missing) > 0 {
		return fmt.Sprintf("it can be set only with %s (%s)", describe(missing, c), d.place)
	}
	if d.choice != nil {
		for _, other := range d.choice.members {
			if other != d.symbol && c.Enabled(other) {
				return fmt.Sprintf("%s is chosen instead (%s)", other, d.place)
			}
		}
	}
	return fmt.Sprintf("the kernel made it %q (%s)", cmp.Or(c.Value(d.symbol), "n"), d.place)
}

// describe lists what is missing, with the values of plain symbols.
func describe(missing []expr, c Config) string {
	var parts []string
	for _, e := range missing {
		part := group(e)
		if a, ok := e.(atom); ok {
			part = fmt.Sprintf("%s, which is %s", a, cmp.Or(c.Value(string(a)), "not set"))
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), "; and on ")
}

// selectors are the symbols that are set in c and select symbol.
func (m *Menu) selectors(symbol string, c Config) []string {
	var by []string
	for _, s := range m.selected[symbol] {
		if c.Enabled(s.by) && (s.when == nil || s.when.eval(c) > 0) {
			by = append(by, s.by)
		}
	}
	slices.Sort(by)
	return slices.Compact(by)
}
