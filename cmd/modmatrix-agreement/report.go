package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
)

// schema names the format of the JSON.
const schema = "modmatrix.agreement/v1"

// report is one comparison.
type report struct {
	Schema  string    `json:"schema"`
	Begun   time.Time `json:"begun"`
	DKMS    string    `json:"dkms"` // version
	Machine string    `json:"machine"`
	Jobs    int       `json:"jobs"`
	Kernels []string  `json:"kernels"`
	Cells   []cell    `json:"cells"`
	Ratio   float64   `json:"ratio,omitempty"` // median of modmatrix's time by dkms's
}

// table writes the comparison for a person.
func (r *report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PACKAGE\t"+strings.Join(r.Kernels, "\t"))
	for i := 0; i < len(r.Cells); i += len(r.Kernels) {
		row := r.Cells[i : i+len(r.Kernels)]
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

// left tells what was not compared, once for each reason.
func (r *report) left() (lines []string) {
	var reasons []string
	of := map[string][]string{}
	for _, c := range r.Cells {
		switch {
		case c.Left == "":
			continue
		case of[c.Left] == nil:
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

// story is what is to be told of a cell in which both differ.
func (c cell) story() string {
	if c.Left != "" || c.same() {
		return ""
	}
	head := c.Package + " · " + c.Kernel
	mark := "UNKNOWN"
	if c.Known != "" {
		mark = "known: " + c.Known
	}
	return fmt.Sprintf("%s: %s\n  dkms       %s\n  modmatrix  %s\n", head, mark, c.Theirs.line(), c.Ours.line())
}

// line is a side in one line.
func (s side) line() string {
	if s.Verdict == ok {
		return "ok: " + strings.Join(s.Modules, " ")
	}
	return string(s.Verdict) + ": " + firstLine(s.Reason)
}

// summary counts.
func (r *report) summary() string {
	same, word := 0, map[verdict]int{}
	known, unknown, left := 0, 0, 0
	for _, c := range r.Cells {
		switch {
		case c.Left != "":
			left++
		case c.same():
			same++
			word[c.Ours.Verdict]++
		case c.Known != "":
			known++
		default:
			unknown++
		}
	}
	return fmt.Sprintf("dkms %s: %d cells compared: %d the same (%d ok, %d fail, %d skip, %d broken), %d differ as is known (*), %d differ otherwise (!); %d not compared (-)",
		r.DKMS, len(r.Cells)-left, same, word[ok], word[fail], word[skip], word[broken], known, unknown, left)
}

// times sets what both sides took beside each other, over the cells for which that is fair.
func (r *report) times() string {
	var ratios, theirs, ours []float64
	for _, c := range r.Cells {
		if a, b, fair := c.took(); fair {
			ratios, theirs, ours = append(ratios, b/a), append(theirs, a), append(ours, b)
		}
	}
	if len(ratios) == 0 {
		return "times: none were taken side by side; what dkms decided was known"
	}
	r.Ratio = median(ratios)
	return fmt.Sprintf("times: %d builds side by side: dkms %.1f s in all, median %.1f s; modmatrix %.1f s, median %.1f s; modmatrix by dkms, median %.2f",
		len(ratios), sum(theirs), median(theirs), sum(ours), median(ours), r.Ratio)
}

// save writes the JSON, whole or not at all, where a file is named.
func (r *report) save(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o644)
}

// verdict is the error for differences that are not known.
func (r *report) verdict() error {
	n := 0
	for _, c := range r.Cells {
		if c.differs() {
			n++
		}
	}
	if n > 0 {
		return difference{n}
	}
	return nil
}

// machine is where the times are from.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d cores, load %s at the start", runtime.NumCPU(), first)
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	if mid := len(s) / 2; len(s)%2 == 1 {
		return s[mid]
	} else {
		return (s[mid-1] + s[mid]) / 2
	}
}

func sum(samples []float64) (total float64) {
	for _, s := range samples {
		total += s
	}
	return total
}
