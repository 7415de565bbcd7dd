package evidence

import (
	"cmp"
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/modmatrix/modmatrix/results"
)

// Opened is what became of one file.
type Opened struct {
	*Evidence       // nil where Err is not
	Err       error // an *Error says what is wrong with the file
}

// OpenAll is Open of several files, each processor at one of them, in their order. With a source, each is held to it, as CheckSource does.
func OpenAll(ctx context.Context, paths []string, trust *Trust, source string) []Opened {
	all := make([]Opened, len(paths))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		group.Go(func() error {
			e, err := Open(ctx, path, trust)
			if err == nil && source != "" {
				err = e.CheckSource(source)
			}
			if err != nil {
				e = nil
			}
			all[i] = Opened{e, err}
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	return all
}

// CheckSource holds e to the source of the module at hand, a digest as results.Module has it: evidence is of one source and no other.
func (e *Evidence) CheckSource(digest string) error {
	if digest == e.Source {
		return nil
	}
	return &Error{e.Path, fmt.Sprintf("is of another source than the module here: it tested %s, and this is %s", brief(e.Source), brief(digest)),
		"old evidence does not count for a new source, so have it tested again"}
}

// Conflict is a cell that one tester sent two verdicts of.
type Conflict struct {
	Key   string            `json:"key"`   // fingerprint
	Who   string            `json:"who"`   // principals; empty: not trusted
	Cell  string            `json:"cell"`  // kernel and suite
	Files [2]string         `json:"files"` // as they were given
	Says  [2]results.Status `json:"says"`
}

// Error is one line.
func (c Conflict) Error() string {
	who := c.Key
	if c.Who != "" {
		who = c.Who
	}
	return (&Error{"", fmt.Sprintf("%s and %s are both of %s, and say %s and %s of %s", c.Files[0], c.Files[1], who, c.Says[0], c.Says[1], c.Cell),
		"ask which of them counts, and give only that one"}).Error()
}

// Conflicts lists the cells of which one tester sent a PASS and a FAIL for the same source, in the order of all: neither counts then.
// A tester is a key, or all keys of the same principal; files that nobody signed are of nobody.
func Conflicts(all []*Evidence) (found []Conflict) {
	type cell struct{ who, source, cell string }
	type verdict struct {
		e    *Evidence
		says results.Status
	}
	first := map[cell]verdict{}
	for _, e := range all {
		if e.State == Unsigned {
			continue
		}
		for _, rec := range e.Results.Records {
			if rec.Status != results.Pass && rec.Status != results.Fail {
				continue
			}
			name := rec.Target.Label() + " (" + rec.Target.Source + ", " + rec.Target.Arch + ") · " + rec.Suite
			at := cell{e.tester(), e.Source, name}
			before, ok := first[at]
			switch {
			case !ok:
				first[at] = verdict{e, rec.Status}
			case before.says != rec.Status:
				found = append(found, Conflict{e.Key, e.Who, results.Plain(name), [2]string{before.e.Path, e.Path}, [2]results.Status{before.says, rec.Status}})
			}
		}
	}
	return found
}

// tester is who signed it.
func (e *Evidence) tester() string { return cmp.Or(e.person(), e.Key) }
