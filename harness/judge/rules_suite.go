package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// The rows of the table that look at what became of the suite and its specs.

func specFailed(e Evidence) (verdict, bool) {
	failed := first(finished(e.Guest, e.specs), results.Fail)
	n := count(e.specs)
	switch {
	case failed.Name != "":
		reason := fmt.Sprintf("%q: %s", failed.Name, results.Headline(failed.Message))
		if failed.Location != "" {
			reason += " (" + failed.Location + ")"
		}
		if more := n[results.Fail] - 1; more > 0 {
			reason += fmt.Sprintf("; %d more failed", more)
		}
		return verdict{results.Fail, results.StageTest, results.CodeSpecFailed, reason}, true
	case len(e.Guest.Nodes) > 0:
		node := e.Guest.Nodes[0]
		return verdict{results.Fail, results.StageTest, results.CodeSpecFailed,
			fmt.Sprintf("%s failed: %s", node.Node, results.Headline(node.Message))}, true
	}
	return verdict{}, false
}

// unmet is a fault that a spec provokes on purpose and that did not come: then what it tests is broken, or not there.
func unmet(e Evidence) (verdict, bool) {
	if len(e.Unmet) == 0 {
		return verdict{}, false
	}
	want := e.Unmet[0]
	reason := fmt.Sprintf("%q: the kernel fault /%s/ that it expects did not come", want.Spec, want.Pattern)
	return verdict{results.Fail, results.StageTest, results.CodeSpecFailed, reason}, true
}

// finished leaves out the spec that was running when everything stopped: that is the suite's end, not a failed spec.
func finished(g *Guest, specs []results.Spec) []results.Spec {
	return slices.DeleteFunc(slices.Clone(specs), func(s results.Spec) bool { return g.Running != "" && s.Name == g.Running && s.Message == unfinished })
}

// ginkgoFocused is Ginkgo's exit code when a suite passed and has programmatic focus (ginkgo/v2 types.GINKGO_FOCUS_EXIT_CODE).
const ginkgoFocused = 197

func specMissing(e Evidence) (verdict, bool) {
	g, specs := e.Guest, e.specs
	missing := count(specs)[results.Miss]
	say := func(format string, args ...any) (verdict, bool) {
		return verdict{results.Error, results.StageTest, results.CodeSpecMissing, fmt.Sprintf(format, args...)}, true
	}
	switch {
	case g.Running != "":
		return say("the suite stopped while %q was running, %d specs never ran%s", g.Running, missing, exited(g))
	case missing > 0:
		return say("%d of %d planned specs never ran, first %q%s", missing, len(specs), first(specs, results.Miss).Name, exited(g))
	case g.Exit == nil && g.Ended[results.StageTest]:
		return say("the suite's end was never reported")
	case g.Exit == nil:
		return verdict{}, false
	case g.Exit.Code == ginkgoFocused:
		return say("the suite has focused specs (FIt, FDescribe …), so the others did not run: remove the focus")
	case g.Exit.Code != 0 || g.Exit.Signal != "":
		return say("no spec failed, yet the suite did%s", exited(g))
	case len(specs) == 0:
		return say("the suite has no specs")
	}
	return verdict{}, false
}

// nothingRan is a suite of which every spec was filtered out on this target, or which skipped all of them itself.
func nothingRan(e Evidence) (verdict, bool) {
	specs := e.specs
	if count(specs)[results.Skip] < len(specs) || len(specs) == 0 {
		return verdict{}, false
	}
	reason := "every spec was skipped"
	if said := specs[0].Message; said != "" {
		reason += ": " + FirstLine(said)
	}
	return verdict{results.Skip, results.StageTest, results.CodeExcluded, reason}, true
}

// exited says how the suite process ended and, unless it was killed, what it printed last.
func exited(g *Guest) string {
	switch {
	case g.Exit == nil:
		return ""
	case g.Exit.Signal != "":
		return " (the suite process was killed: " + g.Exit.Signal + ")"
	}
	text := fmt.Sprintf(" (the suite process exited with %d", g.Exit.Code)
	if said := lastWords(g.Output); said != "" {
		text += ": " + said
	}
	return text + ")"
}

// lastWords are what a Go program says of its own end, else the last line that it printed.
func lastWords(output string) string {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return results.Clip(strings.TrimSpace(line))
		}
	}
	return results.Clip(LastLine(output))
}
