package harness

import (
	"cmp"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// turn says who is served first where several wait for the same: the lowest rank, then who has the most work left, so that what
// ends last is short.
type turn struct {
	rank  rank
	ahead time.Duration // what the work is known to take, and what hangs on it
}

type rank int

const (
	rankFailed rank = iota // it failed last: whoever mends the module waits for that
	rankNewest             // the newest kernel, on which most things break
	rankRest
)

// compare is negative where t is before o.
func (t turn) compare(o turn) int {
	return cmp.Or(cmp.Compare(t.rank, o.rank), cmp.Compare(o.ahead, t.ahead))
}

// order decides what a run does first: kernels, builds and cells all ask it. What a matrix shows is in the order of the plan.
type order struct {
	plan   *Plan
	times  *durations
	failed *failures
	newest map[string]bool // labels: one version may be there in several flavours
}

func newOrder(dir string, p *Plan, times *durations) *order {
	o := &order{plan: p, times: times, failed: openFailures(dir), newest: map[string]bool{}}
	for _, t := range p.Targets {
		if t.Version == p.Targets[len(p.Targets)-1].Version {
			o.newest[Label(t)] = true
		}
	}
	return o
}

// sorted are the kernels of the plan, the first to be fetched first.
func (o *order) sorted() []kernels.Target {
	turns := map[string]turn{}
	for _, t := range o.plan.Targets {
		turns[Label(t)] = o.target(Label(t))
	}
	return slices.SortedStableFunc(slices.Values(o.plan.Targets), func(a, b kernels.Target) int {
		return turns[Label(a)].compare(turns[Label(b)])
	})
}

// target is the turn of all that a kernel's cells share.
func (o *order) target(label string) turn {
	t := turn{rank: o.rankOf(label), ahead: o.times.rest(o.plan, label)}
	for _, s := range o.plan.Suites {
		t.rank = min(t.rank, o.cell(results.Cell{Target: label, Suite: s.Name}, "").rank)
	}
	return t
}

// cell is the turn of one of c's guests; mark tells whose modules it loads, see cell.mark.
func (o *order) cell(c results.Cell, mark string) turn {
	t := turn{rank: o.rankOf(c.Target)}
	if o.failed.has(failureKey(o.plan, c)) {
		t.rank = rankFailed
	}
	c.Suite += mark
	t.ahead = o.times.of(durationKey(o.plan, c))
	return t
}

func (o *order) rankOf(label string) rank {
	if o.newest[label] {
		return rankNewest
	}
	return rankRest
}

// note remembers how a cell ended. What was never run is what it was before.
func (o *order) note(c results.Cell, s results.Status) {
	if s != results.Miss {
		o.failed.note(failureKey(o.plan, c), s == results.Fail || s == results.Error)
	}
}

// failureKey names a cell over all runs of a store, whatever of its suite was in focus.
func failureKey(p *Plan, c results.Cell) string {
	return p.Module.Name + " " + c.Target + " " + c.Suite
}

// failures are the cells that failed when they were run last, over all runs of a store. They may be lost.
type failures struct {
	path string
	mu   sync.Mutex
	keys map[string]bool
}

// maxFailures bounds the file: more than that are dropped, whichever they are.
const maxFailures = 5_000

func openFailures(dir string) *failures {
	f := &failures{path: filepath.Join(dir, "failures.json")}
	if store.ReadJSON(f.path, &f.keys) != nil || f.keys == nil {
		f.keys = map[string]bool{}
	}
	return f
}

func (f *failures) has(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys[key]
}

func (f *failures) note(key string, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if failed {
		f.keys[key] = true
	} else {
		delete(f.keys, key)
	}
}

// save writes what is known. Of two runs that end at once one wins, which is no loss.
func (f *failures) save() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.keys {
		if len(f.keys) <= maxFailures {
			break
		}
		delete(f.keys, key)
	}
	_ = store.WriteJSON(f.path, f.keys)
}
