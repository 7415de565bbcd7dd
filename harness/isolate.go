package harness

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// How far cells are kept apart.
const (
	IsolateSuite = "suite" // a fresh guest for every suite: the default
	IsolateSpec  = "spec"  // a fresh guest for every spec; those of an Ordered container stay together
	IsolateNone  = "none"  // one guest for all suites of a kernel, as long as it lasts
)

// Isolations lists the choices.
var Isolations = []string{IsolateSuite, IsolateSpec, IsolateNone}

// part is what one guest of a cell runs, and the verdict on it.
type part struct {
	only      []string // names of the specs to run; nil: all
	tally     *tally   // of the specs of all parts; nil where this is the only one
	requested requested

	done  bool // the last guest settled it
	rec   results.Record
	log   []byte       // of the console
	guest *judge.Guest // nil: there was none
}

func (p *part) whole() bool { return p == nil || p.only == nil }

// name is what the guests of a cell are distinguished by; empty where there is one.
func (p *part) name() string {
	if p.whole() {
		return ""
	}
	return p.only[0]
}

// parts divides the cell: one for each spec where these are to be isolated, else one.
func (c *cell) parts(ctx context.Context, t *template) []*part {
	if c.spec().Isolate != IsolateSpec || t == nil || t.err != nil || t.failed != nil {
		return []*part{{}}
	}
	known := c.knownSpecs(c.suite)
	if len(known.Specs) == 0 {
		listing := c.listing(ctx, t)
		if known = (knownSpecs{listing.Title, listing.Planned}); len(known.Specs) == 0 {
			return []*part{{}} // its guest shows what is wrong with the suite
		}
		c.run.h.cacheTrouble(c.rememberSpecs(ctx, listing))
	}
	all := &tally{planned: known.Specs}
	return listOf(units(known.Specs), func(names []string) *part { return &part{only: names, tally: all} })
}

func again(parts []*part) []*part {
	var all *tally
	if t := parts[0].tally; t != nil {
		all = &tally{planned: t.planned}
	}
	return listOf(parts, func(p *part) *part { return &part{only: p.only, tally: all} })
}

func (c *cell) runParts(ctx context.Context, t *template, parts []*part) {
	var wg sync.WaitGroup
	for _, p := range parts {
		if !p.done {
			wg.Go(func() { c.runGuest(ctx, t, p) })
		}
	}
	wg.Wait()
}

// tally counts the specs of a cell that has several guests.
type tally struct {
	planned []wire.Spec
	mu      sync.Mutex
	done    int
}

// count returns how many specs of the cell have ended, one more if one has just ended, and how many there are.
func (t *tally) count(ended bool) (done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ended {
		t.done = min(t.done+1, len(t.planned))
	}
	return int64(t.done), int64(len(t.planned))
}

// listing asks the suite for its specs, in a guest that loads nothing. It is never nil.
func (c *cell) listing(ctx context.Context, t *template) *judge.Guest {
	out, err := c.queued(ctx, t, task{suites: []string{c.suite}, list: true})
	if err != nil || out.rounds == nil || !out.rounds.Current().End {
		return judge.NewGuest("")
	}
	return out.rounds.Current()
}

// units returns the names of the specs that must share a guest: those of an Ordered container, which build on one another.
// What will not run on this target needs no guest of its own, and goes with the first.
func units(specs []wire.Spec) [][]string {
	var units [][]string
	group, seen := map[string]int{}, map[string]bool{}
	for _, s := range specs {
		if seen[s.Name] {
			continue // whoever asks for a name gets all that have it
		}
		seen[s.Name] = true
		i, known := group[s.Group]
		switch {
		case s.State != "" && len(units) > 0:
			i = 0
		case s.State != "" || s.Group == "" || !known:
			i = len(units)
			units = append(units, nil)
			if s.Group != "" {
				group[s.Group] = i
			}
		}
		units[i] = append(units[i], s.Name)
	}
	return units
}

// merge makes one part of all: the worst decides, specs come in the order of the plan, consoles one after the other.
func merge(parts []*part) part {
	if len(parts) == 1 && parts[0].whole() {
		return *parts[0]
	}
	all := part{rec: parts[0].rec, guest: parts[0].guest}
	sum := results.Timings{Build: parts[0].rec.Timings.Build}
	var log bytes.Buffer
	specs, splats, notes := []results.Spec{}, []results.Splat{}, []string{}
	var hardware []results.Device
	var files []string
	for i, p := range parts {
		if all.rec.Status != p.rec.Status && all.rec.Status.Worse(p.rec.Status) == p.rec.Status {
			all.rec, all.guest = p.rec, p.guest
		}
		fmt.Fprintf(&log, "modmatrix: guest %d of %d: %s\n", i+1, len(parts), p.name())
		lines := bytes.Count(log.Bytes(), []byte{'\n'})
		for _, s := range p.rec.Splats {
			s.Line += lines
			splats = append(splats, s)
		}
		log.Write(p.log)
		specs = append(specs, p.rec.Specs...)
		notes = append(notes, p.rec.Notes...)
		hardware, files = append(hardware, p.rec.Hardware...), append(files, p.rec.Firmware...)
		add(&sum, p.rec.Timings)
	}
	all.log = log.Bytes()
	all.rec.Predicted = asObserved(parts)
	all.rec.Specs, all.rec.Splats, all.rec.Timings = inOrder(parts[0].tally.planned, specs), splats, sum
	slices.Sort(notes)
	slices.Sort(files)
	slices.SortFunc(hardware, results.CompareDevices)
	all.rec.Notes, all.rec.Firmware, all.rec.Hardware = slices.Compact(notes), slices.Compact(files), slices.Compact(hardware)
	return all
}

// asObserved are the predictions as the first part has them in which the kernel answered: all parts are of one kernel and one binary.
func asObserved(parts []*part) []results.Prediction {
	for _, p := range parts {
		if slices.ContainsFunc(p.rec.Predicted, func(p results.Prediction) bool { return p.Observed != "" }) {
			return p.rec.Predicted
		}
	}
	return parts[0].rec.Predicted
}

func add(sum *results.Timings, t results.Timings) {
	sum.Boot += t.Boot
	sum.Restore += t.Restore
	sum.Load += t.Load
	sum.Test += t.Test
	sum.Unload += t.Unload
	sum.Total += t.Total
}

func inOrder(planned []wire.Spec, specs []results.Spec) []results.Spec {
	place := map[string]int{}
	for i, p := range slices.Backward(planned) { // of two with one name, the first counts
		place[p.Name] = i
	}
	slices.SortStableFunc(specs, func(a, b results.Spec) int { return place[a.Name] - place[b.Name] })
	return specs
}

// shared is the guest of all suites of one target. Each takes its round once; without it, it needs a guest of its own.
type shared struct {
	once   sync.Once
	out    outcome
	suites []string
	mu     sync.Mutex
	taken  map[string]bool
}

// sharedGuest returns what the shared guest showed in the round of the cell's suite. The first cell that asks runs it.
func (c *cell) sharedGuest(ctx context.Context, t *template, p *part) (outcome, int, bool) {
	s := c.run.shared(Label(c.tree.Target) + c.mark())
	s.once.Do(func() {
		s.suites = c.uncached(t)
		s.out, s.out.err = c.queued(ctx, t, task{suites: s.suites, part: p})
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	round := slices.Index(s.suites, c.suite)
	if round < 0 || s.taken[c.suite] || s.out.rounds == nil || !s.out.rounds.Begun(round) {
		return outcome{}, 0, false
	}
	s.taken[c.suite] = true
	return s.out, round, true
}

func (r *run) shared(label string) *shared {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sharing[label]
	if !ok {
		s = &shared{taken: map[string]bool{}}
		r.sharing[label] = s
	}
	return s
}

func (c *cell) uncached(t *template) []string {
	var names []string
	for _, s := range c.run.plan.inGuests() {
		other := *c
		other.suite = s.Name
		key := other.cacheKey(t)
		if _, hit := c.run.h.store.Look("cells", key); key == "" || !hit {
			names = append(names, s.Name)
		}
	}
	return names
}
