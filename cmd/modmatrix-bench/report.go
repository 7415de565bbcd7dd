package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
)

// Schema names the format of the figures.
const Schema = "modmatrix.bench/v1"

// Figures is one run of the benchmark.
type Figures struct {
	Schema  string          `json:"schema"`
	Machine measure.Machine `json:"machine"`
	Kernels []string        `json:"kernels,omitempty"`
	Rows    []Row           `json:"rows"`
}

// Row is one thing that was to be measured. A row without Unit was not measured, and Missing says why.
type Row struct {
	What    string               `json:"what"`
	Kernel  string               `json:"kernel,omitempty"`
	Value   float64              `json:"value"`
	Unit    Unit                 `json:"unit,omitempty"`
	Budget  string               `json:"budget,omitempty"` // as a person reads it; empty for a figure without one
	Met     *bool                `json:"met,omitempty"`    // nil without a budget, and when it was not measured
	Detail  string               `json:"detail,omitempty"`
	Missing string               `json:"missing,omitempty"`
	Load    float64              `json:"load"`              // of the machine afterwards, average of a minute
	Samples map[string][]float64 `json:"samples,omitempty"` // in seconds, MiB …: what Value was made of
}

// Unit is what a row counts.
type Unit string

const (
	Ratio   Unit = "ratio"
	Seconds Unit = "s"
	MiB     Unit = "MiB"
)

// figure is a row that was measured just now.
func figure(what, kernel string, value float64, unit Unit, detail string, args ...any) Row {
	return Row{What: what, Kernel: kernel, Value: value, Unit: unit, Detail: fmt.Sprintf(detail, args...), Load: measure.Load()}
}

// compared is a figure of two sides that were measured in turn.
func compared(what, kernel, us string, ours []float64, them string, theirs []float64) Row {
	row := figure(what, kernel, measure.Ratio(ours, theirs), Ratio, "%.2f s against %.2f s", measure.Median(ours), measure.Median(theirs))
	row.Samples = map[string][]float64{us: ours, them: theirs}
	return row
}

func (r Row) atMost(limit float64) Row {
	met := r.Value <= limit
	r.Met, r.Budget = &met, "≤ "+show(limit, r.Unit)
	return r
}

// show writes a value as a person reads it: a ratio far below one as a fraction.
func show(v float64, u Unit) string {
	switch {
	case u == Ratio && v > 0 && v < 0.5:
		return "1/" + strings.TrimSuffix(fmt.Sprintf("%.1f", 1/v), ".0")
	case u == Ratio || u == Seconds:
		return fmt.Sprintf("%.2f%s", v, map[Unit]string{Seconds: " s"}[u])
	}
	return fmt.Sprintf("%.1f %s", v, u)
}

func (r Row) verdict() string {
	switch {
	case r.Missing != "":
		return ""
	case r.Met == nil:
		return "–"
	case *r.Met:
		return "yes"
	}
	return "NO"
}

func (f *Figures) table(w io.Writer) error {
	fmt.Fprintln(w, f.Machine)
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tKERNEL\tMEASURED\tBUDGET\tMET\tDETAIL")
	for _, r := range f.Rows {
		measured, detail := show(r.Value, r.Unit), fmt.Sprintf("%s (load %.1f)", r.Detail, r.Load)
		if r.Missing != "" {
			measured, detail = "not measured", r.Missing
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.What, r.Kernel, measured, r.Budget, r.verdict(), detail)
	}
	return t.Flush()
}
