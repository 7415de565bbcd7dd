package harness

import (
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
)

// renamer is a source that has a second name for a kernel, which no other of its version has.
type renamer interface {
	Renamed(t kernels.Target) (kernels.Target, bool)
}

// renameDoubles renames those of targets from first on whose name another one before them has, as far as their source can. The
// notes say which.
func renameDoubles(targets []kernels.Target, first int, sources map[string]Source) (notes []string) {
	for i, t := range targets[first:] {
		before := targets[:first+i]
		other := slices.IndexFunc(before, func(o kernels.Target) bool { return Label(o) == Label(t) && !slices.Equal(o.Packages, t.Packages) })
		name, _ := t.Origin()
		source, ok := sources[name].(renamer)
		if other < 0 || !ok {
			continue
		}
		renamed, ok := source.Renamed(t)
		if !ok {
			continue
		}
		targets[first+i] = renamed
		note := fmt.Sprintf("%s is another %s than %s, and is called %s", t.Source, Label(t), before[other].Source, Label(renamed))
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

// namesakes are notes on kernels that have the name of another one, and will have no row.
func namesakes(targets []kernels.Target) []string {
	var notes []string
	first := map[string]kernels.Target{}
	for _, t := range targets {
		f, ok := first[Label(t)]
		switch {
		case !ok:
			first[Label(t)] = t
		case !slices.Equal(f.Packages, t.Packages):
			notes = append(notes, fmt.Sprintf("%s is another %s than %s and is left out: a matrix has one row for a name; give one of them a CONFIG_LOCALVERSION", t.Source, Label(t), f.Source))
		}
	}
	return notes
}
