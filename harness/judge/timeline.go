package judge

import (
	"bytes"
	"slices"
	"sort"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// timeline says, for every place in a console log, in which stage and spec the guest was. The guest writes a marker
// into its kernel log at each boundary, so that kernel lines and boundaries come in one order.
type timeline []boundary

type boundary struct {
	offset int // of the marker's line
	stage  results.Stage
	spec   string
	ours   bool // it lies in the round that the timeline is of, or in none yet
}

// readMarkers draws the timeline of log for g's round, which is of suite; an empty suite takes every round for its own.
// The names of specs come from what g said of them, in the order in which they began: those in the markers may be cut.
func readMarkers(log []byte, g *Guest, suite string) timeline {
	var t timeline
	now := boundary{stage: results.StageBoot, ours: true}
	offset := 0
	for line := range bytes.Lines(log) {
		if m, ok := wire.ParseMarker(string(line), g.Nonce); ok {
			now = now.next(offset, m, g.Started, suite)
			t = append(t, now)
		}
		offset += len(line)
	}
	return t
}

func (b boundary) next(offset int, m wire.Mark, started []string, suite string) boundary {
	b.offset, b.spec = offset, ""
	if m.Suite != "" && suite != "" {
		b.ours = m.Suite == suite
	}
	switch {
	case m.Spec == 0:
		b.stage = results.Stage(m.Stage)
	case !m.Done && m.Spec <= len(started):
		b.spec = started[m.Spec-1]
	case !m.Done:
		b.spec = m.Name
	}
	return b
}

// trust mends a timeline without the marker of a load that g reported: all from byte before on may be the module's.
func (t *timeline) trust(before int, g *Guest) {
	_, began := g.Began[results.StageLoad]
	if began && !slices.ContainsFunc(*t, func(b boundary) bool { return b.ours && b.stage == results.StageLoad }) {
		*t = slices.Insert(*t, 0, boundary{offset: before, stage: results.StageLoad, ours: true})
	}
}

// at is what was going on at offset: the boot, before any marker.
func (t timeline) at(offset int) boundary {
	i := sort.Search(len(t), func(i int) bool { return t[i].offset > offset })
	if i == 0 {
		return boundary{stage: results.StageBoot, ours: true}
	}
	return t[i-1]
}

// during returns the part of log that belongs to stage.
func (t timeline) during(log []byte, stage results.Stage) []byte {
	for i, b := range t {
		if b.stage != stage || !b.ours {
			continue
		}
		end := len(log)
		if n := slices.IndexFunc(t[i:], func(next boundary) bool { return next.stage != stage }); n > 0 {
			end = t[i+n].offset
		}
		return log[b.offset:end]
	}
	return nil
}

// Tail returns the last 4 KiB of log, from the start of a line.
func Tail(log []byte) string {
	const kept = 4 << 10
	if len(log) <= kept {
		return string(log)
	}
	log = log[len(log)-kept:]
	return string(log[bytes.IndexByte(log, '\n')+1:])
}
