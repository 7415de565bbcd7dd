package harness

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// attribute says of every splat whose code it struck in, at which line of the module's source, and whether a spec said
// that it would come.
func (c *cell) attribute(e *Evidence) {
	for i := range e.Splats {
		s := &e.Splats[i]
		s.Owner = owner(s.Splat, c.built.Modules)
		for _, m := range c.built.Modules {
			if frame, ok := s.In(m.Name); ok {
				s.Place, s.Callers = places(m.Path, frame)
				break
			}
		}
	}
	e.Unmet = expected(e.Splats, e.Guest.Expected)
}

// owner says whose the guilty function is; empty where nobody is named.
func owner(s console.Splat, modules []kbuild.Module) results.Owner {
	ours := func(name string) bool {
		return slices.ContainsFunc(modules, func(m kbuild.Module) bool { return underscored(m.Name) == underscored(name) })
	}
	switch {
	case ours(s.Module), ours(s.Gone): // code that is gone was of the module that went
		return results.OwnerModule
	case s.Module != "", s.Gone != "":
		return results.OwnerOther
	case s.Function == "":
		return ""
	}
	return results.OwnerCore
}

// underscored is a module's name as the kernel has it.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// places gives the source line of a frame in the object file ko, and the callers that were inlined there, outermost last.
// Without debugging information there are none.
func places(ko string, f console.Frame) (place string, callers []string) {
	if f.Symbol == "" {
		return "", nil
	}
	lines, err := kbuild.OpenLines(ko)
	if err != nil {
		return "", nil
	}
	offset := f.Offset
	if !f.PC && offset > 0 {
		offset-- // where a call returns to may be another line already, or another function
	}
	at, err := lines.At(f.Symbol, offset)
	if err != nil || len(at) == 0 {
		return "", nil
	}
	own := ownLine(at)
	for _, p := range at[own+1:] {
		callers = append(callers, p.Function+" "+sourceLine(p))
	}
	return sourceLine(at[own]), callers
}

// ownLine is the innermost of the inlined places that lies in the module's source: helpers of the kernel's headers are
// not to be mended there. Where none does it is the first.
func ownLine(at []kbuild.Place) int {
	return max(0, slices.IndexFunc(at, func(p kbuild.Place) bool { return !filepath.IsAbs(p.File) }))
}

func sourceLine(p kbuild.Place) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Expectation is a fault that a spec provokes on purpose.
type Expectation struct {
	Spec    string
	Pattern string // a regular expression for the splat's title
	Count   int    // how often it must come
}

// expected marks the splats that their specs declared, each declaration once for each splat, and gives the declarations
// that were not met. One that does not compile is met by nothing.
func expected(splats []Splat, declared []Expectation) (unmet []Expectation) {
	for _, want := range declared {
		pattern, err := regexp.Compile(want.Pattern)
		left := max(want.Count, 1)
		for i := range splats {
			s := &splats[i]
			if err == nil && left > 0 && !s.Expected && s.Spec == want.Spec && s.Severity.Fault() && pattern.MatchString(s.Title) {
				s.Expected = true
				left--
			}
		}
		if left > 0 {
			want.Count = left
			unmet = append(unmet, want)
		}
	}
	return unmet
}
