package results

import (
	"errors"
	"fmt"
)

// InTreeRun is what the same suite came to with the kernel's own copies of the modules in the place of those under test (run
// --compare-in-tree). It says nothing of the module: no summary, exit code or roll-up counts it.
type InTreeRun struct {
	Modules []string `json:"modules"` // of the kernel, in load order
	Record  Record   `json:"record"`  // has none itself
}

func (run *InTreeRun) check() error {
	if run == nil {
		return nil
	}
	if run.Record.InTreeRun != nil {
		return errors.New("in tree: a copy of a copy")
	}
	if err := run.Record.check(); err != nil {
		return fmt.Errorf("in tree: %w", err)
	}
	return nil
}
