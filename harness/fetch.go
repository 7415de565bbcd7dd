package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// Fetch resolves spec's kernels and obtains them all, with events on its progress. What was obtained is returned with an error, too.
func (h *Harness) Fetch(ctx context.Context, spec Spec) (got []kernels.Target, err error) {
	p := &Plan{Spec: spec.WithDefaults(), Suites: []Suite{{Name: Lifecycle}}}
	if err := h.Resolve(ctx, p); err != nil {
		return nil, err
	}
	for _, n := range p.Notices {
		h.Notice(n)
	}
	h.event(results.Event{Kind: results.EventPlan, Cells: p.Cells()})
	p.Spec.BuildOnly, p.Spec.Module = true, "."
	r, err := h.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	defer r.cleanUp()
	failed := make([]error, len(p.Targets))
	var wg sync.WaitGroup
	for i, t := range p.Targets {
		wg.Go(func() { _, failed[i] = r.fetch(ctx, t) })
	}
	wg.Wait()
	var errs []error
	for _, u := range p.Unresolved {
		errs = append(errs, errors.New(u.Reason))
	}
	for i, t := range p.Targets {
		if failed[i] == nil {
			got = append(got, t)
		} else {
			errs = append(errs, fmt.Errorf("%s: %w", Label(t), failed[i]))
		}
	}
	return got, errors.Join(errs...)
}

// Stored reports whether a kernel of an archive is in store. One that is compiled here is not known before that.
func Stored(st *store.Store, t kernels.Target) bool {
	if source, _ := t.Origin(); source != "debian" {
		return false
	}
	_, hit := st.Look("trees", debian.TreeID(t))
	return hit
}
