package explain

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

func rule(rec results.Record) string {
	switch {
	case rec.Status == results.Pass:
		return "everything planned ran and is accounted for, the guest ended as it should, and nothing spoke against it"
	case rec.Code == results.CodeInfra && rec.Status == results.Miss:
		return "the infrastructure did not get as far as running it: nothing is known of the module"
	case rec.Code == results.CodeTimeout && rec.Status == results.Fail:
		return rec.Code.Meaning() + ", in code that the suite could not end"
	}
	return rec.Code.Meaning()
}

// whereToLook lists the files that show more, the one that shows the cause first.
func whereToLook(rec results.Record, dir string) (look []string) {
	a := rec.Artifacts
	console := a.Console
	if i := slices.IndexFunc(rec.Splats, func(s results.Splat) bool { return s.Line > 0 }); i >= 0 && console != "" {
		console += fmt.Sprintf(":%d", rec.Splats[i].Line)
	}
	files := []string{console, a.SuiteLog}
	switch {
	case rec.Stage == results.StageBuild:
		files = []string{a.BuildLog, console}
	case rec.Code == results.CodeSpecFailed || rec.Code == results.CodeSpecMissing:
		files = []string{a.SuiteLog, a.Specs, console}
	}
	for _, f := range files {
		if f != "" {
			look = append(look, filepath.Join(dir, f))
		}
	}
	return look
}
