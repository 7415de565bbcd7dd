package harness

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
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

// hasSets tells whether kernels is a table in a document that may be malformed otherwise.
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
func (c Config) selectors(given []string) ([]string, error) {
	if len(given) == 0 {
		return c.alsoRequired(), nil
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
	return nil, fmt.Errorf("unknown set of kernels @%s; %s has @%s", name, ConfigName, strings.Join(known, ", @"))
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

// everySelector are all that the file names, sorted, each once.
func (c Config) everySelector() []string {
	all := c.alsoRequired()
	for _, set := range c.Sets {
		all = append(all, set...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// isRequired tells whether text is one of the selectors that must not be missing.
func (s Spec) isRequired(text string) bool { return slices.Contains(s.Required, text) }

// insist makes an ERROR of a MISS where the kernel is required: that nobody could look is then trouble, not a gap.
func insist(rec results.Record, required bool) results.Record {
	if required && rec.Status == results.Miss {
		rec.Status = results.Error
		rec.Reason = "required, but missing: " + rec.Reason
	}
	return rec
}
