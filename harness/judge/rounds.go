package judge

import (
	"slices"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// Rounds are the guests that one machine plays in turn: one for each suite, with the frames of its round and of all.
type Rounds struct {
	guests   []*Guest
	suites   []string // of guests; a machine without suites plays one guest, whose name is empty
	now      int      // the round that is under way, or was last
	begun    []bool   // which of them ever began: of a suite whose round did not, nothing is known
	expected uint64   // sequence number of the next frame
}

// NewRounds expects a round for each of suites; without any, one round with an empty name.
func NewRounds(nonce string, suites ...string) *Rounds {
	if len(suites) == 0 {
		suites = []string{""}
	}
	r := &Rounds{suites: suites, begun: make([]bool, len(suites)), expected: 1}
	for range suites {
		r.guests = append(r.guests, NewGuest(nonce))
	}
	return r
}

// Add adds one frame and reports whether it was the machine's own.
func (r *Rounds) Add(f wire.Frame) bool {
	if f.Nonce != r.guests[0].Nonce {
		for _, g := range r.guests {
			g.Foreign++
		}
		return false
	}
	lost := f.Seq != r.expected
	r.expected = f.Seq + 1
	for i, g := range r.guests {
		g.Lost = g.Lost || lost
		if f.Suite != "" && r.suites[i] != "" && f.Suite != r.suites[i] {
			continue
		}
		if f.Suite != "" && f.Kind == wire.KindStage {
			r.begun[i], r.now = true, max(r.now, i)
		}
		if f.Kind == wire.KindPlan && slices.Contains(r.begun, true) {
			g.doubtPlan()
		}
		f.Seq = g.expected
		g.Add(f)
	}
	return true
}

// Current is the guest whose round is under way.
func (r *Rounds) Current() *Guest { return r.guests[r.now] }

// Begun reports whether round i ever began.
func (r *Rounds) Begun(i int) bool { return r.begun[i] }

// Through reports whether round i ended and a later one began, whatever came then. A later one alone a module can forge.
func (r *Rounds) Through(i int) bool {
	g := r.guests[i]
	_, refused := Refused(g.Loads)
	_, tested := g.Began[results.StageTest] // else nothing is unloaded
	return i < r.now && (refused && !tested || g.Ended[results.StageUnload])
}
