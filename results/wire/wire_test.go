package wire

import (
	"os"
	"path/filepath"
	"reflect"
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

func TestReadPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	if plan, err := ReadPlan(path); err == nil || !reflect.DeepEqual(plan, Plan{}) {
		t.Errorf("%+v %v", plan, err)
	}
	for text, ok := range map[string]bool{`{"nonce":"n","time":5}`: true, `{"nonce":"n","time":"x"}`: false, "": false} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		plan, err := ReadPlan(path)
		if ok != (err == nil) || ok && plan.Time != 5 || !ok && plan.Time != 0 {
			t.Errorf("%q: %+v, %v", text, plan, err)
		}
	}
}
