package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// TestRealHangs holds that a hang is judged soon, with its place, and that nothing that only takes long is taken for one.
func TestRealHangs(t *testing.T) {
	needReal(t)
	t.Parallel()
	const older, newer = "debian:bookworm/cloud-amd64", "debian:trixie-backports/cloud-amd64"
	for _, tt := range []struct {
		kernel string
		cpus   int
		params []string
		stage  results.Stage // of the hang; empty: it passes
		specs  string        // what became of each: the first letters
	}{
		{older, 1, []string{"exit=wait"}, results.StageUnload, "PPPP"},
		{newer, 1, []string{"ioctl=poll"}, results.StageTest, "PFMM"},
		{newer, 2, []string{"open=polite loop"}, results.StageTest, "FMMM"},
		{newer, 1, []string{"init=timeout 40", "ioctl=short", "calls=35", "computes=35"}, "", "PPPP"},
	} {
		t.Run(fmt.Sprint(tt.params), func(t *testing.T) {
			t.Parallel()
			rec := runReal(t, t.Context(), harness.Spec{Module: "testdata/hangs", Kernels: harness.Selectors(tt.kernel), CPUs: tt.cpus,
				Suites: []string{"testdata/waits"}, Params: tt.params}).Records[0]
			var specs strings.Builder
			for _, s := range rec.Specs {
				specs.WriteString(string(s.Status[:1]))
			}
			if specs.String() != tt.specs {
				t.Errorf("the specs are %s, want %s", &specs, tt.specs)
			}
			switch {
			case tt.stage == "" && rec.Status != results.Pass:
				t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
			case tt.stage == "":
			case rec.Stage != tt.stage || rec.Code != results.CodeHang || !strings.Contains(rec.Reason, "no progress for 30 s, in stay [hangs] (hangs.c:"):
				t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
			}
		})
	}
}
