package report

import (
	"fmt"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// maxOn is how many kernels a line names.
const maxOn = 4

// holdsLine says in a line over which kernels binaries hold that were not built here, and what breaks them; empty where the module was
// built. No text of it is foreign any more.
func holdsLine(r *results.Results) string {
	h, ok := r.Holds()
	if !ok {
		return ""
	}
	line := "this binary holds"
	if len(r.Module.Binaries) > 1 {
		line = "these binaries hold"
	}
	line += fmt.Sprintf(" on %d of %s", len(h.On), results.Plural(h.Kernels(), "kernel"))
	for i, b := range h.Breaks {
		line += map[bool]string{true: "; breaks on ", false: "; on "}[i == 0] + on(b.On) + " by " + results.Plain(b.By)
	}
	for _, more := range []struct {
		text    string
		kernels []string
	}{{"; is taken and fails on ", h.Fails}, {"; is not known on ", h.Open}, {"; THE PREDICTION WAS WRONG on ", h.Wrong}} {
		if len(more.kernels) > 0 {
			line += more.text + on(more.kernels)
		}
	}
	return line
}

// on names kernels, as far as there is room.
func on(kernels []string) string {
	named := kernels[:min(len(kernels), maxOn)]
	line := strings.Join(named, ", ")
	if more := len(kernels) - len(named); more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return results.Plain(line)
}
