package agreement

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
)

const schema = "modmatrix.agreement/v1"

// Report is one comparison.
type Report struct {
	Schema  string    `json:"schema"`
	Begun   time.Time `json:"begun"`
	DKMS    string    `json:"dkms"` // version
	Machine string    `json:"machine"`
	Jobs    int       `json:"jobs"`
	Kernels []string  `json:"kernels"`
	Cells   []Cell    `json:"cells"`
	Ratio   float64   `json:"ratio,omitempty"` // median of modmatrix's time by dkms's
}

// Difference is the error for cells in which both differ, and it is not known why.
type Difference struct{ cells int }

func (d Difference) Error() string {
	return fmt.Sprintf("modmatrix and dkms differ in %d cells, and it is not known why", d.cells)
}

func (r *Report) verdict() error {
	if n := r.count()[isUnknown]; n > 0 {
		return Difference{n}
	}
	return nil
}

func (r *Report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PACKAGE\t"+strings.Join(r.Kernels, "\t"))
	for row := range slices.Chunk(r.Cells, len(r.Kernels)) {
		line := row[0].Package
		for _, c := range row {
			line += "\t" + c.word()
		}
		fmt.Fprintln(t, line)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range r.Cells {
		if text := c.story(); text != "" {
			fmt.Fprintf(w, "\n%s", text)
		}
	}
	for _, text := range r.left() {
		fmt.Fprintf(w, "\n%s", text)
	}
	_, err := fmt.Fprintf(w, "\n%s\n%s\n", r.summary(), r.times())
	return err
}

func (r *Report) left() (lines []string) {
	packages := map[string][]string{}
	for _, c := range r.Cells {
		if c.Left != "" && !slices.Contains(packages[c.Left], c.Package) {
			packages[c.Left] = append(packages[c.Left], c.Package)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(packages)) {
		lines = append(lines, fmt.Sprintf("not compared: %s: %s\n", why, strings.Join(packages[why], ", ")))
	}
	return lines
}

// The kinds of cells beside those in which both decided the same, which count by their Verdict.
const (
	isKnown   Verdict = "known"
	isUnknown Verdict = "unknown"
	isLeft    Verdict = "left"
)

func (c Cell) kind() Verdict {
	switch {
	case c.Left != "":
		return isLeft
	case c.same():
		return c.Modmatrix.Verdict
	case c.Known != "":
		return isKnown
	}
	return isUnknown
}

func (r *Report) count() map[Verdict]int {
	n := map[Verdict]int{}
	for _, c := range r.Cells {
		n[c.kind()]++
	}
	return n
}

func (r *Report) summary() string {
	n := r.count()
	return fmt.Sprintf("dkms %s: %d cells compared: %d the same (%d ok, %d fail, %d skip, %d broken), %d differ as is known (*), %d differ otherwise (!); %d not compared (-)",
		r.DKMS, len(r.Cells)-n[isLeft], n[ok]+n[fail]+n[skip]+n[broken], n[ok], n[fail], n[skip], n[broken], n[isKnown], n[isUnknown], n[isLeft])
}

// times compares what both sides took, over the cells for which that is fair.
func (r *Report) times() string {
	var ratios, dkms, modmatrix []float64
	for _, c := range r.Cells {
		if a, b, fair := c.took(); fair {
			ratios, dkms, modmatrix = append(ratios, b/a), append(dkms, a), append(modmatrix, b)
		}
	}
	if len(ratios) == 0 {
		return "times: none were taken side by side; what dkms decided was known"
	}
	r.Ratio = measure.Median(ratios)
	return fmt.Sprintf("times: %d builds side by side: dkms %.1f s in all, median %.1f s; modmatrix %.1f s, median %.1f s; modmatrix by dkms, median %.2f",
		len(ratios), measure.Sum(dkms), measure.Median(dkms), measure.Sum(modmatrix), measure.Median(modmatrix), r.Ratio)
}
