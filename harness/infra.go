package harness

import (
	"fmt"

	"github.com/modmatrix/modmatrix/harness/judge"

	"github.com/dustin/go-humanize"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// usualCell is what the artifacts of a cell take, in bytes, before there is one to go by: most of it is the console.
const usualCell = 128 << 10

// trouble explains an error of writing to the folder: where the disk is full, it names the folder, how much is free, and
// how much the cells that are left, and results.json, are likely to need. It is nil for nil.
func (o *output) trouble(err error, left int) error {
	switch {
	case err == nil:
		return nil
	case !store.IsFull(err):
		return fmt.Errorf("write results: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	each := int64(usualCell)
	if o.cells > 0 {
		each = max(each, o.bytes/int64(o.cells))
	}
	return fullFolder(o.Path(), err, each*int64(left+1))
}

func fullFolder(dir string, err error, need int64) error {
	return fmt.Errorf("the folder of results %s is full (%s free, about %s needed): make room and add --resume, or give another folder with -o: %w",
		dir, store.Free(dir), humanize.IBytes(uint64(need)), err)
}

// infra is what an infrastructure error means for a cell. A full disk is reported once more where nobody overlooks it: all
// cells that follow are likely to meet it.
func (r *run) infra(stage results.Stage, err error) *judge.Blame {
	err = r.h.store.WithCure(err, "")
	if store.IsFull(err) {
		r.full.Do(func() { r.h.Notice(err.Error()) })
	}
	return &judge.Blame{Stage: stage, Code: results.CodeInfra, Reason: err.Error()}
}
