package report

import (
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// The line counts kernels that took the binary, groups those that did not by what breaks it, and hides no prediction that was wrong.
func TestHoldsLine(t *testing.T) {
	r := &results.Results{}
	add := func(version string, status results.Status, predicted, observed results.Answer, breaks ...results.Break) {
		r.Records = append(r.Records, results.Record{Target: results.Target{Release: version, Version: version}, Suite: "s", Status: status,
			Predicted: []results.Prediction{{Predicted: predicted, Observed: observed, Breaks: breaks}}})
	}
	if got := holdsLine(r); got != "" {
		t.Errorf("got %s of a module that was built", got)
	}
	crc := results.Break{Kind: results.BreakVersion, Symbol: "misc_register\x1b[2J"}
	for _, version := range []string{"5.1", "5.2", "5.3", "5.4", "5.5"} {
		add(version, results.Fail, results.Refused, results.Refused, crc)
	}
	add("6.1", results.Pass, results.Taken, results.Taken)
	add("6.2", results.Fail, results.Taken, results.Taken)
	add("6.3", results.Miss, results.Taken, "")
	add("7.1", results.Fail, results.Refused, results.Refused, results.Break{Kind: results.BreakVermagic})
	add("7.2", results.Pass, results.Refused, results.Taken, crc)
	want := `this binary holds on 2 of 9 kernels; breaks on 5.1, 5.2, 5.3, 5.4 and 1 more by symbol misc_register\x1b[2J (crc); on 7.1 by vermagic` +
		"; is taken and fails on 6.2; is not known on 6.3; THE PREDICTION WAS WRONG on 7.2"
	if got := holdsLine(r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
