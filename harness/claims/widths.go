package claims

import (
	"cmp"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// proposeWidth says how to claim that a module is for 64 bits only, where that was measured: it passes on every architecture of 64 bits
// that was tried, and fails on every kernel of 32. A kernel of each side is the evidence; without both, nothing is said.
func proposeWidth(c *results.Claims, s source, records []results.Record) {
	if s.conf == nil {
		return
	}
	var good, bad string
	passes := map[string]bool{} // by architecture of 64 bits
	for _, rec := range records {
		a, ok := arch.OfMachine(rec.Target.Arch)
		pass, fail := rec.Status == results.Pass, rec.Status == results.Fail
		switch {
		case !ok || !pass && !fail:
		case a.Bits == 64:
			if passes[a.Name] = passes[a.Name] || pass; pass {
				good = rec.Target.Label()
			}
		case pass:
			return
		default:
			bad = cmp.Or(bad, rec.Target.Label())
		}
	}
	for _, one := range passes {
		if !one {
			return // what it lacks is no matter of width
		}
	}
	if good != "" && bad != "" {
		c.Proposed = append(c.Proposed, results.Proposal{Line: `BUILD_EXCLUSIVE_CONFIG="CONFIG_64BIT"`, Good: good, Bad: bad})
	}
}
