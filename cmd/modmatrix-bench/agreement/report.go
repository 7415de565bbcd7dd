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

// Verdict is what a side decided, of one package and one kernel.
type Verdict string

const (
	ok     Verdict = "ok"
	skip   Verdict = "skip"   // the package excludes the kernel
	fail   Verdict = "fail"   // it does not build
	broken Verdict = "broken" // nothing was decided: something that the build needs is not there
)

// Side is the answer of one of the two.
type Side struct {
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason,omitempty"` // in its own words; of a failed build, the first error
	Modules []string `json:"modules,omitempty"`
	Seconds float64  `json:"seconds"`
	Cached  bool     `json:"cached,omitempty"` // decided, and timed, at an earlier time
	Log     string   `json:"log,omitempty"`
}

func (s Side) line() string {
	if s.Verdict == ok {
		return "ok: " + strings.Join(s.Modules, " ")
	}
	return string(s.Verdict) + ": " + firstLine(s.Reason)
}

// Pair is the time of both builds of one cell, one right after the other, in seconds.
type Pair struct {
	DKMS      float64 `json:"dkms"`
	Modmatrix float64 `json:"modmatrix"`
}

// Seconds are the samples of both sides.
func Seconds(pairs []Pair) (dkms, modmatrix []float64) {
	for _, p := range pairs {
		dkms, modmatrix = append(dkms, p.DKMS), append(modmatrix, p.Modmatrix)
	}
	return dkms, modmatrix
}

// Cell is one package and one kernel.
type Cell struct {
	Package   string `json:"package"` // with its version
	Kernel    string `json:"kernel"`  // release
	DKMS      Side   `json:"dkms"`
	Modmatrix Side   `json:"modmatrix"`
	Pairs     []Pair `json:"pairs,omitempty"` // of further builds, where times are asked for
	Known     string `json:"known,omitempty"` // why they differ, where that is as it should be
	Left      string `json:"left,omitempty"`  // why it was not compared
}

func (c Cell) same() bool {
	return c.DKMS.Verdict == c.Modmatrix.Verdict && slices.Equal(c.DKMS.Modules, c.Modmatrix.Modules)
}

// took is the time of a cell on both sides, in seconds; false where it did not succeed on both, or was not built now.
func (c Cell) took() (dkms, modmatrix float64, fair bool) {
	if c.Left != "" || !c.same() || c.Modmatrix.Verdict != ok {
		return 0, 0, false
	}
	if len(c.Pairs) == 0 {
		return c.DKMS.Seconds, c.Modmatrix.Seconds, !c.DKMS.Cached && !c.Modmatrix.Cached
	}
	byDKMS, byModmatrix := Seconds(c.Pairs)
	return measure.Median(byDKMS), measure.Median(byModmatrix), true
}

// String is the cell while the comparison runs.
func (c Cell) String() string {
	head := fmt.Sprintf("%s · %s: ", c.Package, c.Kernel)
	if c.Left != "" {
		return head + "not compared: " + c.Left
	}
	return head + c.word() + fmt.Sprintf(" (dkms %.1f s, modmatrix %.1f s)", c.DKMS.Seconds, c.Modmatrix.Seconds)
}

// word is the cell in the table: the verdict, or both where they differ; with a mark where that is known.
func (c Cell) word() string {
	switch kind := c.kind(); kind {
	case isLeft:
		return "-"
	case isKnown:
		return fmt.Sprintf("%s/%s*", c.DKMS.Verdict, c.Modmatrix.Verdict)
	case isUnknown:
		return fmt.Sprintf("%s/%s!", c.DKMS.Verdict, c.Modmatrix.Verdict)
	default:
		return string(kind)
	}
}

// story is the paragraph on a cell in which both differ; empty on others.
func (c Cell) story() string {
	if c.Left != "" || c.same() {
		return ""
	}
	mark := "UNKNOWN"
	if c.Known != "" {
		mark = "known: " + c.Known
	}
	return fmt.Sprintf("%s · %s: %s\n  dkms       %s\n  modmatrix  %s\n", c.Package, c.Kernel, mark, c.DKMS.line(), c.Modmatrix.line())
}

// excused are reasons, by a part of modmatrix's, why it takes the blame where dkms fails the package.
var excused = map[string]string{
	", which the package depends on": "the release lacks what the package depends on: dkms fails it, modmatrix takes the blame for its own root",
	"such a table for 32 bits":       "linux-kbuild of a 64-bit machine counts rows of a table too wide for 32 bits: dkms fails the package, modmatrix takes the blame for its own root",
	"the root lacks a program":       "the root lacks a program that the build runs: dkms fails the package, modmatrix takes the blame for its own root",
}

// why returns the reason of a difference that is known, else nothing.
func why(c Cell) string {
	for part, reason := range excused {
		if c.DKMS.Verdict == fail && c.Modmatrix.Verdict == broken && strings.Contains(c.Modmatrix.Reason, part) {
			return reason
		}
	}
	return ""
}
