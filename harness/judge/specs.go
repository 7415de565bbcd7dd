package judge

import (
	"slices"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// specStatus puts Ginkgo's states (types.SpecState) into our words. Any other did not finish: absence is never a pass.
var specStatus = map[string]results.Status{
	"passed":   results.Pass,
	"failed":   results.Fail,
	"panicked": results.Fail,
	"timedout": results.Fail,
	"aborted":  results.Fail,
	"skipped":  results.Skip,
	"pending":  results.Skip,
}

// unfinished is the message of the spec that was running when the guest or its suite stopped.
const unfinished = "was running when the guest or its suite stopped"

// specs accounts for every spec of the guest's suite: those that ended, the one that was running when the guest
// fell silent, and those that never began. Planned order comes first, then what was not planned.
func (g *Guest) specs() []results.Spec {
	ended := map[string][]wire.Spec{}
	for _, s := range g.Specs {
		ended[s.Name] = append(ended[s.Name], s)
	}
	out := make([]results.Spec, 0, len(g.Planned))
	running := g.Running
	for _, p := range g.Planned {
		switch done := ended[p.Name]; {
		case len(done) > 0:
			out = append(out, outcome(done[0]))
			ended[p.Name] = done[1:]
		case p.Name == running:
			out = append(out, results.Spec{Name: p.Name, Status: results.Fail, Attempts: 1, Message: unfinished})
			running = ""
		default:
			out = append(out, results.Spec{Name: p.Name, Status: results.Miss, Message: "never ran"})
		}
	}
	for _, s := range g.Specs {
		if len(ended[s.Name]) > 0 {
			out = append(out, outcome(ended[s.Name][0]))
			ended[s.Name] = ended[s.Name][1:]
		}
	}
	return out
}

func outcome(s wire.Spec) results.Spec {
	status, known := specStatus[s.State]
	if !known {
		status = results.Miss
	}
	return results.Spec{Name: s.Name, Status: status, DurationMS: s.DurationMS, Attempts: max(s.Attempts, 1),
		Message: s.Message, Location: s.Location}
}

func count(specs []results.Spec) map[results.Status]int {
	n := map[results.Status]int{}
	for _, s := range specs {
		n[s.Status]++
	}
	return n
}

func first(specs []results.Spec, status results.Status) results.Spec {
	if i := slices.IndexFunc(specs, func(s results.Spec) bool { return s.Status == status }); i >= 0 {
		return specs[i]
	}
	return results.Spec{}
}
