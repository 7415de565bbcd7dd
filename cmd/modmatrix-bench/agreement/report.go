package agreement

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
)

// schema names the format of the JSON.
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

func newReport(dkms string, jobs int) *Report {
	return &Report{Schema: schema, DKMS: dkms, Jobs: jobs, Begun: time.Now().UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%d cores, load %.2f at the start", runtime.NumCPU(), measure.Load())}
}

// Difference is the error for cells in which both differ, and it is not known why.
type Difference struct{ cells int }

func (d Difference) Error() string {
	return fmt.Sprintf("modmatrix and dkms differ in %d cells, and it is not known why", d.cells)
}

// verdict is the error for the whole.
func (r *Report) verdict() error {
	if n := r.count().unknown; n > 0 {
		return Difference{n}
	}
	return nil
}

// table writes the comparison for a person.
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

// left lists what was not compared, once for each reason.
func (r *Report) left() (lines []string) {
	var reasons []string
	of := map[string][]string{}
	for _, c := range r.Cells {
		if c.Left == "" {
			continue
		}
		if of[c.Left] == nil {
			reasons = append(reasons, c.Left)
		}
		if !slices.Contains(of[c.Left], c.Package) {
			of[c.Left] = append(of[c.Left], c.Package)
		}
	}
	for _, why := range reasons {
		lines = append(lines, fmt.Sprintf("not compared: %s: %s\n", why, strings.Join(of[why], ", ")))
	}
	return lines
}

// counts are cells by kind.
type counts struct {
	same                 map[Verdict]int
	known, unknown, left int
}

func (r *Report) count() counts {
	n := counts{same: map[Verdict]int{}}
	for _, c := range r.Cells {
		switch {
		case c.Left != "":
			n.left++
		case c.same():
			n.same[c.Modmatrix.Verdict]++
		case c.Known != "":
			n.known++
		default:
			n.unknown++
		}
	}
	return n
}

func (r *Report) summary() string {
	n := r.count()
	same := n.same[ok] + n.same[fail] + n.same[skip] + n.same[broken]
	return fmt.Sprintf("dkms %s: %d cells compared: %d the same (%d ok, %d fail, %d skip, %d broken), %d differ as is known (*), %d differ otherwise (!); %d not compared (-)",
		r.DKMS, len(r.Cells)-n.left, same, n.same[ok], n.same[fail], n.same[skip], n.same[broken], n.known, n.unknown, n.left)
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
