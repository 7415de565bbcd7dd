package debian

import (
	"context"
	"fmt"

	"github.com/modmatrix/modmatrix/kernels"
)

// newerElsewhere says which of the kernels that were found in the suite are older than another suite's of the same series, where
// nothing else was said of them. It looks into the indices that are at hand, and asks nobody for more.
func (st *state) newerElsewhere(ctx context.Context, sel kernels.Selector, a answer) (notices []string) {
	newest := map[string]kernels.Target{} // by series
	for _, name := range every {
		for _, c := range st.src.state(name).atHand(ctx, st, sel.Flavour).Found {
			series := seriesOf(c.Target.Version)
			if best, ok := newest[series]; !ok || older(best.Version, c.Target.Version) {
				newest[series] = c.Target
			}
		}
	}
	for _, c := range a.Found {
		series := seriesOf(c.Target.Version)
		if best, ok := newest[series]; ok && c.Note == "" && older(c.Target.Version, best.Version) {
			notices = append(notices, fmt.Sprintf("%s is not the newest %s kernel of the archive: %s has %s (%s@%s)",
				c.Target.Version, series, best.Source[len("debian:"):], best.Version, best.Source, series))
		}
	}
	return notices
}

// atHand is the newest kernel of each series in st, where its index is there and of about the same day and the same archive as
// that of the suite asking; else nothing.
func (st *state) atHand(ctx context.Context, asking *state, flavour string) answer {
	mark, theirs := st.stamp(), asking.stamp()
	if mark.Updated.IsZero() || mark.Gone != "" || mark.Form != stampForm || mark.Given != theirs.Given || theirs.Updated.Sub(mark.Updated) >= maxAge {
		return answer{}
	}
	sel := kernels.Selector{Source: "debian", Name: st.suite.name, Version: "*", Flavour: flavour}
	a, ok := st.recall(sel, mark)
	if !ok {
		a, _ = st.look(ctx, sel) // that it cannot be read is said when it is asked for
	}
	return a
}
