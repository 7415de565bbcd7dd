package report

import (
	"fmt"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

const devicesShown = 4

// devices names the hardware of all records in one line, of much the first; empty where there was none.
func devices(r *results.Results) string {
	all := results.Devices(r.Records)
	var names []string
	for i, d := range all {
		if i == devicesShown {
			names = append(names, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		names = append(names, results.Plain(d.String()))
	}
	return strings.Join(names, "; ")
}

// hardware shows what the module drove in the guest, and the files that it asked for.
func (out *explanation) hardware(rec results.Record) {
	for _, d := range rec.Hardware {
		out.line("device", d.String())
		for l := range strings.Lines(d.Description) {
			fmt.Fprintf(out, "    | %s\n", results.Plain(l))
		}
	}
	out.line("firmware", strings.Join(rec.Firmware, ", "))
}

func htmlHardware(rec results.Record) (all []string) {
	for _, d := range rec.Hardware {
		all = append(all, results.Plain(d.String()))
	}
	return all
}
