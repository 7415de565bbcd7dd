package bisect

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// add adds the results of one kernel, which lie in folder, to those of the others.
func (b *search) add(res *results.Results, folder string) {
	b.whole.Schema, b.whole.Run, b.whole.Module = res.Schema, res.Run, res.Module
	move := func(a *results.Artifacts) {
		for _, path := range []*string{&a.BuildLog, &a.Console, &a.SuiteLog, &a.Specs} {
			if *path != "" {
				*path = filepath.Join(folder, *path)
			}
		}
	}
	for _, rec := range res.Records {
		move(&rec.Artifacts)
		rec.Tries = slices.Clone(rec.Tries)
		for i := range rec.Tries {
			move(&rec.Tries[i].Artifacts)
		}
		b.whole.Records = append(b.whole.Records, rec)
	}
}

// write puts the results of all tests together, so that they can be read as one matrix. Ends that were known from an earlier
// run are in it without their artifacts, which lie there.
func (b *search) write(ends ...point) error {
	if len(b.whole.Records) == 0 {
		return nil
	}
	for _, end := range ends {
		if rec := end.record; end.Results == b.Spec.Out {
			rec.Artifacts, rec.Tries, rec.InTreeRun = results.Artifacts{}, nil, nil
			b.whole.Records = append(b.whole.Records, rec)
		}
	}
	b.h.HoldClaims(b.plan, &b.whole)
	b.whole.Finish()
	folder, err := results.OpenFolder(filepath.Join(b.Spec.Out, dir))
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return errors.Join(b.whole.Write(folder), folder.Close())
}
