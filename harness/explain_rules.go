package harness

import (
	"cmp"
	"fmt"

	"github.com/modmatrix/modmatrix/results"
)

// ruleOf are the rows of the table of judgement in words, by the code that a row gives.
var ruleOf = map[results.Code]string{
	results.CodeExcluded:         "the module itself says that it does not support this kernel",
	results.CodeConfigMissing:    "the module needs an option that this kernel was not configured with",
	results.CodeInTree:           "the kernel brings this module itself, and that one is preferred",
	results.CodeInterrupted:      "the run was ended before this cell was through",
	results.CodeBuildError:       "the compiler refused the module's source",
	results.CodeModpostError:     "modpost refused the module: it uses symbols that this kernel does not offer to it",
	results.CodeKoMissing:        "make was content, and a module that should have come out of it did not, or is empty",
	results.CodeVermagicMismatch: "a module came out of the build that is for another kernel",
	results.CodeBootFailed:       "the kernel alone never came up; the module was nowhere near",
	results.CodeLoadRefused:      "the kernel refused to load the module",
	results.CodeOops:             "the kernel faulted while the module was loaded, which counts even where every spec passed",
	results.CodePanic:            "the kernel panicked while the module was loaded",
	results.CodeWarn:             "the kernel warned while the module was loaded, which counts even where every spec passed",
	results.CodeSanitizer:        "one of the kernel's sanitizers reported while the module was loaded",
	results.CodeLockdep:          "the kernel's checks of locking reported while the module was loaded",
	results.CodeTaint:            "the kernel was tainted while the module was loaded, in a way that no good module does",
	results.CodeHang:             "the guest stopped to answer, or a call never came back, while the module was loaded",
	results.CodeReset:            "the guest ended by itself with no fault in its log, as after a triple fault",
	results.CodeTimeout:          "a deadline passed",
	results.CodeSpecFailed:       "a spec of the suite failed, and nothing before it in the table explains that",
	results.CodeSpecMissing:      "a spec that was planned never reported: absence is no pass",
	results.CodeUnloadFailed:     "the kernel refused to unload the module, or that never ended",
	results.CodeLeak:             "something was left behind after the module was unloaded",
	results.CodeInfra:            "something of ours broke, so nothing can be said of the module",
}

// Meaning says what a code stands for.
func Meaning(c results.Code) string { return cmp.Or(ruleOf[c], "code "+string(c)) }

// rule says in words which row of the table decided.
func rule(rec results.Record) string {
	if rec.Status == results.Pass {
		return "everything planned ran and is accounted for, the guest ended as it should, and nothing spoke against it"
	}
	words := Meaning(rec.Code)
	switch {
	case rec.Code == results.CodeInfra && rec.Status == results.Miss:
		words = "it did not run, for a reason of ours: nothing can be said of the module"
	case rec.Code == results.CodeTimeout && rec.Status == results.Fail:
		words += ", in code that the suite could not end"
	}
	return words
}

// whereToLook lists the files that show more, the one that shows the cause first.
func whereToLook(rec results.Record, dir string) []string {
	a := rec.Artifacts
	console := ""
	if a.Console != "" {
		console = below(dir, a.Console)
		for _, s := range rec.Splats {
			if s.Line > 0 {
				console += fmt.Sprintf(":%d", s.Line)
				break
			}
		}
	}
	files := []string{console}
	switch {
	case rec.Stage == results.StageBuild:
		files = append([]string{joined(dir, a.BuildLog)}, files...)
	case rec.Code == results.CodeSpecFailed || rec.Code == results.CodeSpecMissing:
		files = append([]string{joined(dir, a.SuiteLog), joined(dir, a.Specs)}, files...)
	default:
		files = append(files, joined(dir, a.SuiteLog))
	}
	var look []string
	for _, f := range files {
		if f != "" {
			look = append(look, f)
		}
	}
	return look
}

// joined is below, but nothing where there is no artifact.
func joined(dir, artifact string) string {
	if artifact == "" {
		return ""
	}
	return below(dir, artifact)
}
