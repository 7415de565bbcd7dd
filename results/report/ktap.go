package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// KTAP writes version 1 of the kernel's own format (Documentation/dev-tools/ktap.rst): a top test for each cell, with a subtest
// for each stage and spec. What did not run is not ok.
func KTAP(w io.Writer, r *results.Results) error {
	out := bufio.NewWriter(w)
	records := r.Matrix().Records()
	fmt.Fprintf(out, "KTAP version 1\n1..%d\n", len(records))
	for i, name := range labels(records) {
		rec := records[i]
		all := steps(rec)
		fmt.Fprintf(out, "  KTAP version 1\n  # Subtest: %s\n  1..%d\n", ktapName(name), len(all))
		for n, s := range all {
			writeKTAP(out, "  ", n+1, s, rec.Code)
		}
		if rec.Status != results.Pass && rec.Status != results.Skip {
			for _, line := range evidence(rec, r.Run.Asked) {
				fmt.Fprintf(out, "# %s\n", line)
			}
		}
		writeKTAP(out, "", i+1, step{name: name, status: rec.Status, why: rec.Why()}, rec.Code)
	}
	return out.Flush()
}

func writeKTAP(out io.Writer, indent string, n int, s step, code results.Code) {
	switch {
	case s.status == results.Pass:
		fmt.Fprintf(out, "%sok %d %s\n", indent, n, ktapName(s.name))
	case s.status == results.Skip:
		fmt.Fprintf(out, "%sok %d %s # SKIP %s\n", indent, n, ktapName(s.name), s.why)
	case s.status == results.Fail && (code == results.CodeTimeout || code == results.CodeHang):
		fmt.Fprintf(out, "%snot ok %d %s # TIMEOUT %s\n", indent, n, ktapName(s.name), s.why)
	case s.status == results.Fail:
		fmt.Fprintf(out, "%s# %s\n%snot ok %d %s\n", indent, s.why, indent, n, ktapName(s.name))
	default:
		fmt.Fprintf(out, "%snot ok %d %s # ERROR %s\n", indent, n, ktapName(s.name), s.why)
	}
}

// ktapName is a description, which ends at a "#" and cannot be empty.
func ktapName(s string) string {
	if s = strings.ReplaceAll(s, "#", `\x23`); s == "" {
		return "unnamed"
	}
	return s
}
