package harness

import (
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// TestAForgedPlanIsNotKept has a module add a spec to the plan of the suite that all modules share, in a guest that passes
// otherwise: the next module would be asked for that spec.
func TestAForgedPlanIsNotKept(t *testing.T) {
	for _, c := range []struct {
		name, forge string
		want        results.Status
		kept        int
	}{
		{"an honest module", "", results.Pass, 1}, // the control: this is where a forged plan would be kept
		{"a module that forges", "[-incoming] call send plan:ghost pass:ghost\n", results.Error, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "[share=on] call ready\n[-incoming] call send boot load\n"+c.forge+"[-incoming] call send test unload end\n[-incoming] poweroff")
			f.withChannels(t)
			res, err := f.run(t, t.Context())
			if err != nil || res.Records[0].Status != c.want {
				t.Fatalf("%v: %+v", err, res.Records)
			}
			if got := f.entries(t, "specs"); len(got) != c.kept {
				t.Errorf("kept %d lists of specs, want %d", len(got), c.kept)
			}
		})
	}
}

// Where other code has run before a suite plans, what it planned is not kept either.
func TestPlansAlone(t *testing.T) {
	depends := built{depends: []kbuild.Module{{}}}
	one, two := []Suite{{Name: "a"}}, []Suite{{Name: "a"}, {Name: "b"}}
	for _, c := range []struct {
		name    string
		built   built
		isolate string
		suites  []Suite
		want    bool
	}{
		{"one module", built{}, IsolateSuite, two, true},
		{"a package that it builds upon", depends, IsolateSuite, one, false},
		{"a suite in the same guest", built{}, IsolateNone, two, false},
		{"alone in a guest", built{}, IsolateNone, one, true},
	} {
		cell := cell{built: c.built, run: &run{plan: &Plan{Spec: Spec{Isolate: c.isolate}, Suites: c.suites}}}
		if got := cell.plansAlone(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
