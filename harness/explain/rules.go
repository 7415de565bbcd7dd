package explain

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// ruleOf are the rows of the table of judgement in words, by their code.
var ruleOf = map[results.Code]string{
	results.CodeExcluded:         "the module itself says that it does not support this kernel",
	results.CodeConfigMissing:    "the module needs an option that this kernel was not configured with",
	results.CodeInTree:           "the kernel brings this module itself, and that one is preferred",
	results.CodeInterrupted:      "the run was ended before this cell was through",
	results.CodeBuildError:       "the compiler refused the module's source",
	results.CodeModpostError:     "modpost refused the module: it uses symbols that this kernel does not offer to it",
	results.CodeKoMissing:        "make succeeded, but a module that it should have made is missing or empty",
	results.CodeVermagicMismatch: "the build made a module for another kernel",
	results.CodeBootFailed:       "the kernel alone never came up; the module was not involved",
	results.CodeLoadRefused:      "the kernel refused to load the module",
	results.CodeOops:             "the kernel faulted while the module was loaded, which counts even where every spec passed",
	results.CodePanic:            "the kernel panicked while the module was loaded",
	results.CodeWarn:             "the kernel warned while the module was loaded, which counts even where every spec passed",
	results.CodeSanitizer:        "one of the kernel's sanitizers reported while the module was loaded",
	results.CodeLockdep:          "the kernel's lock checks reported while the module was loaded",
	results.CodeTaint:            "the kernel was tainted while the module was loaded, in a way that no good module does",
	results.CodeHang:             "the guest stopped answering, or a call never came back, while the module was loaded",
	results.CodeReset:            "the guest ended by itself with no fault in its log, as after a triple fault",
	results.CodeTimeout:          "a deadline passed",
	results.CodeSpecFailed:       "a spec of the suite failed, and nothing before it in the table explains that",
	results.CodeSpecMissing:      "a spec that was planned never reported: absence is no pass",
	results.CodeUnloadFailed:     "the kernel refused to unload the module, or that never ended",
	results.CodeLeak:             "something was left behind after the module was unloaded",
	results.CodeInfra:            "the infrastructure broke, so nothing is known of the module",
}

// Meaning says what a code stands for.
func Meaning(c results.Code) string { return cmp.Or(ruleOf[c], "code "+string(c)) }

func rule(rec results.Record) string {
	switch {
	case rec.Status == results.Pass:
		return "everything planned ran and is accounted for, the guest ended as it should, and nothing spoke against it"
	case rec.Code == results.CodeInfra && rec.Status == results.Miss:
		return "the infrastructure did not get as far as running it: nothing is known of the module"
	case rec.Code == results.CodeTimeout && rec.Status == results.Fail:
		return Meaning(rec.Code) + ", in code that the suite could not end"
	}
	return Meaning(rec.Code)
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
