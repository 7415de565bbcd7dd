package harness

import (
	"bytes"
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
}

// readMarkers draws the timeline of log. The names of specs come from started, the specs in the order in which they
// began: those in the markers may be cut.
func readMarkers(log []byte, nonce string, started []string) timeline {
	var t timeline
	stage := results.StageBoot
	for offset := 0; offset < len(log); {
		line := log[offset:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if m, ok := wire.ParseMarker(string(line), nonce); ok {
			b := boundary{offset: offset, stage: stage}
			switch {
			case m.Spec == 0:
				stage, b.stage = results.Stage(m.Stage), results.Stage(m.Stage)
			case !m.Done && m.Spec <= len(started):
				b.spec = started[m.Spec-1]
			case !m.Done:
				b.spec = m.Name
			}
			t = append(t, b)
		}
		offset += len(line)
	}
	return t
}

// at tells what was going on at offset: the boot, before any marker.
func (t timeline) at(offset int) (results.Stage, string) {
	i := sort.Search(len(t), func(i int) bool { return t[i].offset > offset })
	if i == 0 {
		return results.StageBoot, ""
	}
	return t[i-1].stage, t[i-1].spec
}

// during gives the part of log that belongs to stage.
func (t timeline) during(log []byte, stage results.Stage) []byte {
	for i, b := range t {
		if b.stage != stage {
			continue
		}
		end := len(log)
		for _, next := range t[i+1:] {
			if next.stage != stage {
				end = next.offset
				break
			}
		}
		return log[b.offset:end]
	}
	return nil
}

// tail gives the last n bytes of log, from the start of a line.
func tail(log []byte, n int) string {
	if len(log) <= n {
		return string(log)
	}
	log = log[len(log)-n:]
	return string(log[bytes.IndexByte(log, '\n')+1:])
}
