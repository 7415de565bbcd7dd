package config

import (
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
	Kernels map[string][]string `toml:"kernels"`
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
	c.Sets = map[string][]string{}
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
	lists := map[string][]string{"kernels": c.Kernels}
	if lines["kernels."+setDefault] > 0 {
		lists = map[string][]string{"kernels." + setDefault: c.Kernels}
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
		for _, k := range lists[key] {
			if _, err := kernels.ParseSelector(k); err != nil {
				return fmt.Errorf("%d: %s: %w", lines[key], key, err)
			}
		}
	}
	return nil
}

// selectors are those that a command line names, in which @NAME stands for a set of the file; without any, the default and what
// is required besides.
func (c Config) selectors(given []string) ([]kernels.Selector, error) {
	if len(given) == 0 {
		return parse(c.alsoRequired())
	}
	var all []string
	for _, text := range given {
		name, isSet := strings.CutPrefix(text, "@")
		if !isSet {
			all = append(all, text)
			continue
		}
		set, err := c.set(name)
		if err != nil {
			return nil, err
		}
		for _, s := range set {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return parse(all)
}

func parse(texts []string) ([]kernels.Selector, error) {
	var all []kernels.Selector
	for _, text := range texts {
		sel, err := kernels.ParseSelector(text)
		if err != nil {
			return nil, err
		}
		all = append(all, sel)
	}
	return all, nil
}

func (c Config) set(name string) ([]string, error) {
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
	known := append(slices.Sorted(maps.Keys(c.Sets)), setDefault)
	if near := DidYouMean(name, known); near != "" {
		return nil, fmt.Errorf("unknown set of kernels @%s — did you mean \"@%s\"?", name, near)
	}
	return nil, fmt.Errorf("unknown set of kernels @%s; %s has @%s", name, harness.ConfigName, strings.Join(known, ", @"))
}

func (c Config) alsoRequired() []string {
	all := slices.Clone(c.Kernels)
	for _, s := range c.Required {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Selectors are all that the file names, sorted, each once: what a Lock pins.
func (c Config) Selectors() ([]kernels.Selector, error) {
	all := c.alsoRequired()
	for _, set := range c.Sets {
		all = append(all, set...)
	}
	slices.Sort(all)
	return parse(slices.Compact(all))
}
