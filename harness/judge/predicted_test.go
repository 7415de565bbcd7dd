package judge

import (
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// What the kernel did is held beside what was predicted, and decides alone.
func TestPredictionsAreHeldAgainstTheKernel(t *testing.T) {
	const crc = "board: disagrees about version of symbol kernel_read"
	fault := splatIn(results.StageLoad, "", results.CodeOops)
	fault.Owner = results.OwnerModule
	elsewhere := fault
	elsewhere.Owner = results.OwnerCore
	for name, c := range map[string]struct {
		predicted results.Answer
		evidence  Evidence
		words     string
		change    func(*Evidence)
		want      results.Answer
		wrong     bool
		status    results.Status
	}{
		"taken":                               {results.Taken, refusedBeside(true), "", nil, results.Taken, false, results.Pass},
		"refused, and taken":                  {results.Refused, refusedBeside(true), "", nil, results.Taken, true, results.Pass},
		"unknown is never wrong":              {results.Unknown, refusedBeside(true), "", nil, results.Taken, false, results.Pass},
		"refused by a version":                {results.Refused, refusedBeside(false, no("core", syscall.EINVAL)), crc, nil, results.Refused, false, results.Fail},
		"taken, and refused by a version":     {results.Taken, refusedBeside(false, no("core", syscall.EINVAL)), crc, nil, results.Refused, true, results.Fail},
		"its init says no":                    {results.Taken, refusedBeside(false, no("core", syscall.EINVAL)), "core: bad parameter", nil, results.Taken, false, results.Fail},
		"its init says no and nothing":        {results.Taken, refusedBeside(false, no("core", syscall.EINVAL)), "", nil, results.Taken, false, results.Fail},
		"no hardware":                         {results.Taken, refusedBeside(false, no("core", syscall.ENODEV)), "", nil, results.Taken, false, results.Skip},
		"an errno of the loader, and silence": {results.Refused, refusedBeside(false, no("core", syscall.ENOEXEC)), "", nil, results.Refused, false, results.Fail},
		"a key that is rejected":              {results.Refused, refusedBeside(false, no("core", syscall.EKEYREJECTED)), "", nil, results.Refused, false, results.Fail},
		"what it needs was refused":           {results.Taken, refusedBeside(false, Syscall{"core", int(syscall.ENODEV), "board"}), "", nil, "", false, results.Skip},
		"its init faults":                     {results.Taken, refusedBeside(false), "", func(e *Evidence) { e.Splats = []Splat{fault} }, results.Taken, false, results.Fail},
		"another module faults":               {results.Taken, refusedBeside(false), "", func(e *Evidence) { e.Splats = []Splat{elsewhere} }, "", false, results.Fail},
		"no guest":                            {results.Taken, refusedBeside(true), "", func(e *Evidence) { e.Guest = nil }, "", false, results.Miss},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.evidence
			e.Predicted = []results.Prediction{{Binary: results.Binary{Module: "core"}, Predicted: c.predicted}}
			e.Words = map[string]string{"core": c.words}
			if c.change != nil {
				c.change(&e)
			}
			rec := Judge(e)
			if len(rec.Predicted) != 1 {
				t.Fatalf("%d predictions", len(rec.Predicted))
			}
			if p := rec.Predicted[0]; p.Observed != c.want || p.Wrong() != c.wrong || (p.Said != "") != (c.want == results.Refused) {
				t.Errorf("observed %q, wrong %v, said %q", p.Observed, p.Wrong(), p.Said)
			}
			if rec.Status != c.status || e.Predicted[0].Observed != "" {
				t.Errorf("%s, or the evidence was changed", rec.Status)
			}
			e.Predicted = nil
			if bare := Judge(e); bare.Status != rec.Status || bare.Reason != rec.Reason {
				t.Errorf("a prediction decides: %s %s, without it %s %s", rec.Status, rec.Reason, bare.Status, bare.Reason)
			}
		})
	}
}
