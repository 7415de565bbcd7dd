package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// untested lists what nobody tested, as whoever reads a cover letter would ask: cells that gave no answer, and kinds of kernels and
// machines that were not among those asked for.
func untested(c *results.Collection, own, whole results.Matrix) (all []string) {
	all = append(all, unanswered(own)...)
	for _, u := range unanswered(testersMatrix(c)) {
		all = append(all, "For testers, "+u)
	}
	all = append(all, skippedSpecs(own)...)
	all = append(all, absentModules(own)...)
	var kernels []results.Target
	for _, w := range slices.Concat(own.Rows, testersMatrix(c).Rows) {
		if answered(w.Status()) {
			kernels = append(kernels, w.Target)
		}
	}
	if len(kernels) == 0 {
		return all
	}
	all = append(all, missingKinds(kernels)...)
	if len(c.Devices()) == 0 && !ownsDevices(own) {
		all = append(all, "Nothing ran with real hardware of the module's.")
	}
	if c.Own != nil && c.Own.Run.Host.Accelerator == "tcg" && len(c.Testers) == 0 {
		all = append(all, "Guests were emulated: a race that needs several processors at full speed may not show.")
	}
	return append(all, builtHow(whole))
}

// builtHow says in which of the ways that a maintainer asks for the module was not built.
func builtHow(whole results.Matrix) string {
	lacking := []string{"allmodconfig"}
	for _, check := range []string{"W=1", "sparse"} {
		if !checkRan(whole, check) {
			lacking = append(lacking, check)
		}
	}
	last := len(lacking) - 1
	text := lacking[last]
	if last > 0 {
		text = strings.Join(lacking[:last], ", ") + " or " + text
	}
	return "It was built out of tree only: neither built in (=y), nor with " + text + "."
}

func ownsDevices(m results.Matrix) bool {
	return slices.ContainsFunc(m.Records(), func(rec results.Record) bool { return len(rec.RealDevices()) > 0 })
}

// unanswered groups the kernels that gave no verdict by the reason.
func unanswered(m results.Matrix) (all []string) {
	var rows []results.Row
	for _, w := range m.Rows {
		if !answered(w.Status()) {
			rows = append(rows, w)
		}
	}
	for _, same := range grouped(rows, func(w results.Row) string { return string(w.Status()) + whyNot(w) }) {
		var kernels []string
		for _, w := range same {
			kernels = append(kernels, rowName(w.Target))
		}
		what := map[results.Status]string{results.Skip: "skipped", results.Miss: "not run", results.Error: "no answer"}[same[0].Status()]
		all = append(all, fmt.Sprintf("%s, %s: %s (%s)", results.Plural(len(same), "kernel"), what, whyNot(same[0]), listed(kernels, mailKernels)))
	}
	return all
}

// rowName is the label of a target, or of one that was never resolved its selector without the at sign.
func rowName(t results.Target) string {
	return mailed(strings.Replace(t.Label(), "@", " ", 1))
}

func whyNot(w results.Row) string {
	for _, rec := range w.Cells {
		if rec.Status == w.Status() {
			return mailed(strings.ReplaceAll(rec.Why(), cmp.Or(w.Target.Release, "\x00"), "the kernel"))
		}
	}
	return ""
}

// skippedSpecs counts, for each suite, the tests that were skipped wherever it ran.
func skippedSpecs(m results.Matrix) (all []string) {
	for i, suite := range m.Suites {
		skipped, ran := map[string]bool{}, map[string]bool{}
		for _, w := range m.Rows {
			for _, s := range w.Cells[i].Specs {
				if s.Status == results.Skip {
					skipped[s.Name] = true
				} else {
					ran[s.Name] = true
				}
			}
		}
		never := 0
		for name := range skipped {
			if !ran[name] {
				never++
			}
		}
		if never > 0 {
			all = append(all, fmt.Sprintf("%d of %s of %s: skipped on every kernel.", never, results.Plural(never+len(ran), "test"), mailed(suite)))
		}
	}
	return all
}

// absentModules names those that were set aside for want of hardware.
func absentModules(m results.Matrix) (all []string) {
	var names []string
	for _, rec := range m.Records() {
		for _, a := range rec.Absent {
			if name := mailed(a.Module); !slices.Contains(names, name) && !loadsSomewhere(m, a.Module) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		all = append(all, fmt.Sprintf("%s: no hardware of theirs in the guests.", listed(names, 6)))
	}
	return all
}

func loadsSomewhere(m results.Matrix, module string) bool {
	return slices.ContainsFunc(m.Records(), func(rec results.Record) bool { return slices.Contains(rec.Loaded, module) })
}

// kind is a property of kernels that maintainers ask for.
type kind struct {
	name string
	has  func(results.Target) bool
}

// kinds are the properties that are missed where no kernel has them, in the order in which they are said.
var kinds = [][]kind{
	{{"arm64", ofArch(func(a arch.Arch) bool { return a.Debian == "arm64" })}, {"32-bit", ofArch(func(a arch.Arch) bool { return a.Bits == 32 })}, {"big-endian", ofArch(func(a arch.Arch) bool { return a.BigEndian })}},
	{{"KASAN", with("kasan")}, {"lockdep", with("lockdep")}, {"kmemleak", with("kmemleak")}, {"PREEMPT_RT", func(t results.Target) bool {
		return strings.HasPrefix(t.Flavour, "rt-") || t.Flavour == "rt" || with("rt")(t)
	}}},
	{{"clang", func(t results.Target) bool { return strings.Contains(t.Compiler, "clang") || with("clang")(t) }}},
	{{"mainline or -next", func(t results.Target) bool {
		return strings.HasPrefix(t.Source, "git:") || strings.HasPrefix(t.Source, "tar:")
	}}},
}

func ofArch(is func(arch.Arch) bool) func(results.Target) bool {
	return func(t results.Target) bool {
		a, ok := arch.OfMachine(t.Arch)
		return ok && is(a)
	}
}

func with(profile string) func(results.Target) bool {
	return func(t results.Target) bool { return slices.Contains(strings.Split(t.Profile, "+"), profile) }
}

// missingKinds says which of them no kernel was.
func missingKinds(kernels []results.Target) (all []string) {
	for i, row := range kinds {
		var names []string
		for _, k := range row {
			if !slices.ContainsFunc(kernels, k.has) {
				names = append(names, k.name)
			}
		}
		if len(names) > 0 {
			last := len(names) - 1
			text := names[last]
			if last > 0 {
				text = strings.Join(names[:last], ", ") + " or " + text
			}
			all = append(all, []string{"No " + text + " kernel.", "No kernel with " + text + ".", "No kernel built with " + text + ".", "No " + text + " kernel: all are those of a distribution."}[i])
		}
	}
	return all
}
