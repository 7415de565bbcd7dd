package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// The names in [kernels] that are no sets of one's own.
const (
	setDefault  = "default"  // what a run without -k takes
	setRequired = "required" // what must not be missing
)

// setsFile is modmatrix.toml with a table [kernels] in place of the list.
type setsFile struct {
	Config
	Kernels map[string][]kernels.Selector `toml:"kernels"`
}

// hasSets reports whether kernels is a table in a document that may be malformed otherwise.
func hasSets(data []byte) bool {
	var probe struct {
		Kernels any `toml:"kernels"`
	}
	_ = toml.Unmarshal(data, &probe)
	_, table := probe.Kernels.(map[string]any)
	return table
}

// config is the file as if it had a list.
func (f setsFile) config() Config {
	c := f.Config
	c.Sets = map[string][]kernels.Selector{}
	for name, selectors := range f.Kernels {
		switch name {
		case setDefault:
			c.Kernels = selectors
		case setRequired:
			c.Required = selectors
		default:
			c.Sets[name] = selectors
		}
	}
	return c
}

var setName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// checkKernels says what is wrong with the selectors, in the order of the file.
func (c Config) checkKernels(lines map[string]int) error {
	lists := map[string][]kernels.Selector{"kernels": c.Kernels}
	if lines["kernels."+setDefault] > 0 {
		lists = map[string][]kernels.Selector{"kernels." + setDefault: c.Kernels}
	}
	if lines["kernels."+setRequired] > 0 {
		lists["kernels."+setRequired] = c.Required
	}
	for name, selectors := range c.Sets {
		lists["kernels."+name] = selectors
	}
	keys := slices.SortedFunc(maps.Keys(lists), func(a, b string) int { return lines[a] - lines[b] })
	for _, key := range keys {
		name := strings.TrimPrefix(key, "kernels.")
		if !setName.MatchString(name) {
			return fmt.Errorf("%d: kernels: the name of a set, %q, starts with a letter and holds a-z, 0-9 and '-'", lines[key], name)
		}
		if len(lists[key]) == 0 {
			return fmt.Errorf("%d: %s: name at least one kernel, or leave the key out", lines[key], key)
		}
	}
	return nil
}

// selectors are those of a command line, with @NAME for a set of the file; without any, the default and what is required.
func (c Config) selectors(given []string) (all []kernels.Selector, err error) {
	if len(given) == 0 {
		return c.alsoRequired(), nil
	}
	for _, text := range given {
		set := make([]kernels.Selector, 1)
		if name, isSet := strings.CutPrefix(text, "@"); isSet {
			set, err = c.set(name)
		} else {
			set[0], err = kernels.ParseSelector(text)
		}
		if err != nil {
			return nil, err
		}
		all = with(all, set)
	}
	return all, nil
}

func with(list, more []kernels.Selector) []kernels.Selector {
	list = slices.Clone(list)
	for _, sel := range more {
		if !slices.ContainsFunc(list, func(s kernels.Selector) bool { return s.String() == sel.String() }) {
			list = append(list, sel)
		}
	}
	return list
}

func (c Config) set(name string) ([]kernels.Selector, error) {
	switch name {
	case setDefault:
		return c.alsoRequired(), nil
	case setRequired:
		if len(c.Required) > 0 {
			return c.Required, nil
		}
	}
	if set, ok := c.Sets[name]; ok {
		return set, nil
	}
	var known []string
	for _, name := range append(slices.Sorted(maps.Keys(c.Sets)), setDefault) {
		known = append(known, "@"+name)
	}
	return nil, fmt.Errorf("unknown set of kernels @%s%s", name, Hint("@"+name, known, harness.ConfigName+" has "+strings.Join(known, ", ")))
}

func (c Config) alsoRequired() []kernels.Selector { return with(c.Kernels, c.Required) }

// Selectors are all that the file names, sorted, each once: what a Lock pins.
func (c Config) Selectors() []kernels.Selector {
	all := c.alsoRequired()
	for _, set := range c.Sets {
		all = with(all, set)
	}
	archs, _ := Archs(c.Arch) // check has refused what is none
	all = onEach(all, archs)
	slices.SortFunc(all, func(a, b kernels.Selector) int { return cmp.Compare(a.String(), b.String()) })
	return all
}
