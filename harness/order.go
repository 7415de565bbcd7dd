package harness

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
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
	failed *remembered[bool]
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

// cell is the turn of one of c's guests; mark says whose modules it loads, see cell.mark.
func (o *order) cell(c results.Cell, mark string) turn {
	t := turn{rank: o.rankOf(c.Target)}
	if failed, _ := o.failed.get(failureKey(o.plan, c)); failed {
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
	switch key := failureKey(o.plan, c); s {
	case results.Miss:
	case results.Fail, results.Error:
		o.failed.note(key, true)
	default:
		o.failed.forget(key)
	}
}

// failureKey names a cell over all runs of a store, whatever of its suite was in focus.
func failureKey(p *Plan, c results.Cell) string {
	return p.Module.Name + " " + c.Target + " " + c.Suite
}

// maxFailures bounds the cells that are remembered as failed.
const maxFailures = 5_000

// openFailures returns the cells that failed when they were run last, over all runs of a store.
func openFailures(dir string) *remembered[bool] {
	return openRemembered[bool](filepath.Join(dir, "failures.json"), maxFailures)
}
