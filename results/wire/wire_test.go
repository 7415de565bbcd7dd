package wire

import (
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestStagesAreThoseOfResults(t *testing.T) {
	for stage, want := range map[string]results.Stage{
		StageBoot: results.StageBoot, StageLoad: results.StageLoad, StageTest: results.StageTest,
		StageUnload: results.StageUnload, StageShutdown: results.StageShutdown,
	} {
		if stage != string(want) {
			t.Errorf("%q is %q in results", stage, want)
		}
	}
}
