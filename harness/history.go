package harness

import (
	"errors"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// remember adds to res what changed against earlier runs, and keeps it for later ones. A history that cannot be read or written
// is worth a notice and no more.
func (rs *records) remember(res *results.Results) {
	if rs.h.history == "" || rs.plan.part || rs.plan.Spec.BuildOnly && !slices.ContainsFunc(rs.plan.Suites, Suite.static) {
		return
	}
	history, err := results.OpenHistory(rs.h.history)
	if err == nil {
		err = errors.Join(history.Recall(res), history.Add(res), history.Close())
	}
	if err != nil {
		rs.h.Notice(fmt.Sprintf("what earlier runs found is not all known: %v", err))
	}
}

// readSince reads the earlier results that the user named, before anything is run: they may lie where this run writes.
func (rs *records) readSince() (err error) {
	if path := rs.plan.Spec.Since; path != "" {
		if rs.since, _, err = results.ReadAt(path); err != nil {
			return &UsageError{fmt.Errorf("--since: %w", err)}
		}
	}
	return nil
}
