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

// bySpec runs every spec of the cell in a guest of its own, and adds them up.
func (c *cell) bySpec(ctx context.Context, f *frozen) attempt {
	known := c.knownSpecs(c.suite)
	if len(known.Specs) == 0 {
		listing := c.listing(ctx, f)
		if known = (knownSpecs{listing.guest.Title, listing.guest.Planned}); len(known.Specs) == 0 {
			return c.judged(ctx, f) // it says what is wrong with the suite
		}
		if err := c.rememberSpecs(ctx, listing.guest); err != nil {
			c.event(results.Event{Kind: results.EventNotice, Text: "the cache: " + err.Error()})
		}
	}
	units := apart(known.Specs)
	parts := make([]attempt, len(units))
	all := &tally{total: int64(len(known.Specs))}
	var wg sync.WaitGroup
	for i, names := range units {
		wg.Go(func() {
			one := *c
			one.only, one.tally = names, all
			parts[i] = one.judged(ctx, f)
		})
	}
	wg.Wait()
	return merge(known.Specs, units, parts)
}

// tally counts the specs of a cell that has several guests.
type tally struct {
	total int64
	mu    sync.Mutex
	done  int64
}

// count gives how many specs are behind the cell, one more if one has just ended, and how many there are.
func (t *tally) count(ended bool) (done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ended {
		t.done++
	}
	return t.done, t.total
}

// listing asks the suite for its specs, in a guest that loads nothing. Its guest is never nil.
func (c *cell) listing(ctx context.Context, f *frozen) attempt {
	t, err := c.inTurn(ctx, f, errand{suites: []string{c.suite}, list: true})
	if err != nil || t.rounds == nil || !t.rounds.Current().End {
		return attempt{guest: judge.NewGuest("")}
	}
	return attempt{guest: t.rounds.Current()}
}

// apart gives the names of the specs that must share a guest: those of an Ordered container, which build on one another.
// What will not run on this target needs no guest of its own, and goes with the first.
func apart(specs []wire.Spec) [][]string {
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

// merge makes one of the attempts of all units: the worst decides, the specs come in the order of the plan, and the
// consoles one after the other.
func merge(planned []wire.Spec, units [][]string, parts []attempt) attempt {
	all := attempt{rec: parts[0].rec, guest: parts[0].guest}
	sum := results.Timings{Build: parts[0].rec.Timings.Build}
	var log bytes.Buffer
	specs, splats, notes := []results.Spec{}, []results.Splat{}, []string{}
	for i, p := range parts {
		if all.rec.Status != p.rec.Status && all.rec.Status.Worse(p.rec.Status) == p.rec.Status {
			all.rec, all.guest = p.rec, p.guest
		}
		fmt.Fprintf(&log, "modmatrix: guest %d of %d: %s\n", i+1, len(parts), units[i][0])
		lines := bytes.Count(log.Bytes(), []byte{'\n'})
		for _, s := range p.rec.Splats {
			s.Line += lines
			splats = append(splats, s)
		}
		log.Write(p.log)
		specs = append(specs, p.rec.Specs...)
		notes = append(notes, p.rec.Notes...)
		add(&sum, p.rec.Timings)
	}
	all.log = log.Bytes()
	all.rec.Specs, all.rec.Splats, all.rec.Timings = inOrder(planned, specs), splats, sum
	slices.Sort(notes)
	all.rec.Notes = slices.Compact(notes)
	return all
}

func add(sum *results.Timings, t results.Timings) {
	sum.Boot += t.Boot
	sum.Restore += t.Restore
	sum.Load += t.Load
	sum.Test += t.Test
	sum.Unload += t.Unload
	sum.Total += t.Total
}

// inOrder puts specs into the order of the plan.
func inOrder(planned []wire.Spec, specs []results.Spec) []results.Spec {
	place := map[string]int{}
	for i, p := range planned {
		if _, ok := place[p.Name]; !ok {
			place[p.Name] = i
		}
	}
	slices.SortStableFunc(specs, func(a, b results.Spec) int { return place[a.Name] - place[b.Name] })
	return specs
}

// shared is the guest of all suites of one target. Each suite takes its round of it once; who comes again, to try again,
// or whose round never began, needs a guest of its own.
type shared struct {
	once   sync.Once
	told   told
	suites []string
	mu     sync.Mutex
	taken  map[string]bool
}

// together gives what the shared guest told in the round of the cell's suite. The first cell that asks runs it.
func (c *cell) together(ctx context.Context, f *frozen) (told, int, bool) {
	s := c.sharedGuest(c.row())
	s.once.Do(func() {
		s.suites = c.uncached(f)
		s.told, s.told.err = c.inTurn(ctx, f, errand{suites: s.suites})
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	round := slices.Index(s.suites, c.suite)
	if round < 0 || s.taken[c.suite] || s.told.rounds == nil || !s.told.rounds.Begun(round) {
		return told{}, 0, false
	}
	s.taken[c.suite] = true
	return s.told, round, true
}

func (r *run) sharedGuest(label string) *shared {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sharing[label]
	if !ok {
		s = &shared{taken: map[string]bool{}}
		r.sharing[label] = s
	}
	return s
}

// uncached lists the suites of the target that must run.
func (c *cell) uncached(f *frozen) []string {
	var names []string
	for _, s := range c.plan.Suites {
		other := *c
		other.suite = s.Name
		key := other.cacheKey(f)
		if _, hit := c.store.Look("cells", key); key == "" || !hit {
			names = append(names, s.Name)
		}
	}
	return names
}
