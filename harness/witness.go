package harness

import (
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// witness adds what one round of a guest told to e.
func (c *cell) witness(e *Evidence, t told, round int) {
	e.Guest, e.End = t.rounds.guests[round], t.end
	if t.rounds.through(round) { // what became of the machine later is not this round's doing
		e.Guest.End, e.End = true, Ending{Reason: CleanEnd}
	}
	line := readMarkers(t.log, e.Guest, t.rounds.suites[round])
	line.trust(t.before, e.Guest)
	said := t.log
	if t.end.Late != "" {
		said = beforeAsked(t.log, e.Guest.Nonce)
		e.Place = c.placeOf(console.Places(t.log[len(said):]))
	}
	for _, s := range console.Scan(said) {
		if at := line.at(s.Start); at.ours && !askedFor(s, e.Guest, at.stage) {
			e.Splats = append(e.Splats, Splat{Splat: s, Stage: at.stage, Spec: at.spec})
		}
	}
	if _, bad := refused(e.Guest.Loads); bad {
		e.LoadWords = console.Reason(line.during(t.log, results.StageLoad), c.built.Modules[0].Name)
	}
	for _, p := range failedProbes(t.log) {
		if at := line.at(p.start); at.ours && at.stage != results.StageBoot && !slices.Contains(e.Notes, p.text) {
			e.Notes = append(e.Notes, p.text)
		}
	}
	e.Tail = tail(said, 4<<10)
	loss := console.Lost(t.log)
	e.Incomplete = t.cut || !loss.Complete()
}

// askedFor tells whether s is one of the stacks that PID 1 had its kernel show when it had waited too long. Each says whose
// it is in a line before it, but not right before it where others print as well.
func askedFor(s console.Splat, g *Guest, during results.Stage) bool {
	return s.Kind == console.KindTrace && slices.ContainsFunc(g.Stuck, func(st Stuck) bool { return st.Stage == during })
}

// placeOf names the first of frames that lies in a module under test, with its source line where that is known; empty when
// none does.
func (c *cell) placeOf(frames []console.Frame) string {
	for _, f := range frames {
		for _, m := range c.built.Modules {
			if _, own := (console.Splat{Guilty: f}).In(m.Name); !own {
				continue
			}
			place := fmt.Sprintf("%s [%s]", f.Function, f.Module)
			if at, _ := places(m.Path, f); at != "" {
				place += " (" + at + ")"
			}
			return place
		}
	}
	return ""
}
