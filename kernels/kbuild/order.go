package kbuild

import (
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// LoadOrder puts what others depend on first, then what they ask for softly (MODULE_SOFTDEP), and otherwise keeps the order given. A
// circle is cut where it closes: modprobe cannot load it either.
func LoadOrder(modules []Module) []Module {
	o := ordering{modules: modules, first: make([][]int, len(modules)), state: make([]int, len(modules))}
	for i, m := range modules {
		before, after := softDeps(m.SoftDeps)
		for _, name := range before {
			o.first[i] = append(o.first[i], o.answering(name)...)
		}
		for _, name := range after {
			for _, late := range o.answering(name) {
				o.first[late] = append(o.first[late], i)
			}
		}
	}
	for i := range modules {
		o.visit(i)
	}
	return o.ordered
}

// ordering is a list of modules that is being put in order.
type ordering struct {
	modules []Module
	first   [][]int // what a module wants before itself, softly
	state   []int   // of each: unseen, begun or done
	ordered []Module
}

const (
	unseen = iota
	begun
	done
)

// answering are the places of the modules that modprobe would load for name.
func (o *ordering) answering(name string) (places []int) {
	for i, m := range o.modules {
		if m.Answers(name) {
			places = append(places, i)
		}
	}
	return places
}

func (o *ordering) needs(i int) (places []int) {
	for _, name := range o.modules[i].Depends {
		places = append(places, o.named(name)...)
	}
	return places
}

func (o *ordering) named(name string) []int {
	if at := slices.IndexFunc(o.modules, func(m Module) bool { return m.Name == wire.ModuleName(name) }); at >= 0 {
		return []int{at}
	}
	return nil
}

func (o *ordering) visit(i int) {
	if o.state[i] != unseen {
		return
	}
	o.state[i] = begun
	for _, at := range o.needs(i) {
		o.visit(at)
	}
	for _, at := range o.first[i] {
		if !o.waitsForBegun(at, map[int]bool{}) {
			o.visit(at)
		}
	}
	o.state[i] = done
	o.ordered = append(o.ordered, o.modules[i])
}

// waitsForBegun reports whether i depends on a module that is not placed yet, so that a soft wish for i cannot be met.
func (o *ordering) waitsForBegun(i int, seen map[int]bool) bool {
	seen[i] = true
	return slices.ContainsFunc(o.needs(i), func(at int) bool {
		return o.state[at] == begun || !seen[at] && o.waitsForBegun(at, seen)
	})
}

// softDeps reads MODULE_SOFTDEP texts, "pre: A B post: C" (modprobe.d(5)); words without a mark order nothing.
func softDeps(texts []string) (before, after []string) {
	for _, text := range texts {
		list := new([]string)
		for _, word := range strings.Fields(text) {
			switch word {
			case "pre:":
				list = &before
			case "post:":
				list = &after
			default:
				*list = append(*list, word)
			}
		}
	}
	return before, after
}

// Soft lists what m asks for softly, before or behind it.
func (m Module) Soft() []string {
	before, after := softDeps(m.SoftDeps)
	return slices.Concat(before, after)
}

// Answers reports whether modprobe loads m for name.
func (m Module) Answers(name string) bool {
	return wire.Module{Name: m.Name, Aliases: m.Aliases}.Answers(name)
}
