package harness_test

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// warnsOnNothing is the example driver with a warning for whoever writes nothing to it.
func warnsOnNothing(t *testing.T) string {
	return mutated(t, exampleDriver, "fifo.c", "\tif (!len)\n\t\treturn 0;\n\tif (len > kfifo_size", "\tif (WARN_ON(!len))\n\t\treturn 0;\n\tif (len > kfifo_size")
}

// TestRealExpectSplat holds that a fault which a spec announces is no fault, that one which does not come is, and that
// one out of the blue is reported with its line in the driver.
func TestRealExpectSplat(t *testing.T) {
	needReal(t)
	t.Parallel()
	driver := warnsOnNothing(t)
	for _, tt := range []struct {
		focus string
		want  want
	}{
		{"as announced", want{status: results.Pass}},
		{"does not come", want{results.Fail, results.StageTest, results.CodeSpecFailed, "did not come"}},
		{"out of the blue", want{results.Fail, results.StageTest, results.CodeWarn, "WARNING in fifo_write (fifo.c:"}},
	} {
		t.Run(tt.focus, func(t *testing.T) {
			res := runReal(t, t.Context(), harness.Spec{Module: driver, Kernels: realKernels[:1], Suites: []string{"testdata/expects"}, Focus: tt.focus})
			rec := res.Records[0]
			if rec.Status != tt.want.status || rec.Stage != tt.want.stage || rec.Code != tt.want.code || !strings.Contains(rec.Reason, tt.want.reason) {
				t.Errorf("%s@%s %s: %s, want %+v", rec.Status, rec.Stage, rec.Code, rec.Reason, tt.want)
			}
			for _, s := range rec.Splats {
				if s.Owner != results.OwnerModule || !strings.HasPrefix(s.Where, "fifo.c:") {
					t.Errorf("splat %q is of %q, at %s", s.Title, s.Owner, s.Where)
				}
			}
		})
	}
}

// TestRealIsolation holds that the verdict and the specs are the same, however far specs are kept apart; and that with a
// guest for each spec, one that kills its kernel costs the others nothing.
func TestRealIsolation(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, isolate := range []string{harness.IsolateSpec, harness.IsolateNone} {
		t.Run(isolate, func(t *testing.T) {
			res := runReal(t, t.Context(), harness.Spec{Module: exampleDriver, Kernels: realKernels[:1],
				Suites: []string{harness.Lifecycle, exampleSuite}, Isolate: isolate})
			for _, rec := range res.Records {
				if rec.Status != results.Pass || len(rec.Specs) < 9 {
					t.Errorf("%s: %s@%s %s, %d specs: %s", rec.Suite, rec.Status, rec.Stage, rec.Code, len(rec.Specs), rec.Reason)
				}
			}
		})
	}
	t.Run("a killer among specs", func(t *testing.T) {
		driver := mutated(t, exampleDriver, "fifo.c", "\tif (!len)\n\t\treturn 0;\n\tif (len > kfifo_size", "\tif (!len)\n\t\tpanic(\"nothing\");\n\tif (len > kfifo_size")
		res := runReal(t, t.Context(), harness.Spec{Module: driver, Kernels: realKernels[:1], Suites: []string{"testdata/expects"}, Isolate: harness.IsolateSpec})
		rec := res.Records[0]
		if rec.Status != results.Fail || len(rec.Specs) != 3 {
			t.Fatalf("%s@%s %s: %s\n%+v", rec.Status, rec.Stage, rec.Code, rec.Reason, rec.Specs)
		}
		for _, s := range rec.Specs {
			if s.Status == results.Miss {
				t.Errorf("%q never ran: %s", s.Name, s.Message)
			}
		}
	})
}
