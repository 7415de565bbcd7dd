package harness

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

// addPlaces finds, for every splat and for a guest that hung, the line of the module's source where it happened.
func (c *cell) addPlaces(e *judge.Evidence) {
	for i := range e.Splats {
		s := &e.Splats[i]
		for _, m := range c.built.all() {
			if frame, ok := s.In(m.Name); ok {
				s.Place, s.Callers = places(m.Path, frame)
				break
			}
		}
	}
	e.Place = c.placeOf(e.Hung)
}

// dozing are words in the names of functions that sleep for a set time: msleep, schedule_timeout and their kin, and the search for a
// firmware, which is given a minute (Linux drivers/base/firmware_loader/fallback.c).
var dozing = regexp.MustCompile(`sleep|timeout|firmware`)

// dozes reports whether a thread with this stack sleeps for a set time. A stack does not show the scheduler's own functions: which
// of them was called, the module's file knows.
func (c *cell) dozes(stack string) bool {
	for i, f := range console.Stack(stack) {
		if f.Module == "" && dozing.MatchString(f.Function) {
			return true
		}
		if f.Module == "" {
			continue
		}
		return i == 0 && slices.ContainsFunc(c.built.Modules, func(m kbuild.Module) bool {
			return wire.ModuleName(f.Module) == m.Name && dozing.MatchString(kbuild.Callee(m.Path, f.Symbol, f.Offset))
		})
	}
	return false
}

// placeOf names the first of frames in a module under test, with its source line where that is known; empty: none is.
func (c *cell) placeOf(frames []console.Frame) string {
	for _, f := range frames {
		for _, m := range c.built.all() {
			if _, own := (console.Splat{Guilty: f}).In(m.Name); !own {
				continue
			}
			place := fmt.Sprintf("%s [%s]", f.Function, f.Module)
			if at, _ := places(m.Path, f); at != "" {
				place += " (" + at + ")"
			}
			return place
		}
	}
	return ""
}

// places returns the source line of a frame in ko and the callers inlined there, outermost last; none without debug information.
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

// ownLine is the innermost inlined place in the module's own source, not in the kernel's headers; else the first.
func ownLine(at []kbuild.Place) int {
	return max(0, slices.IndexFunc(at, func(p kbuild.Place) bool { return !filepath.IsAbs(p.File) }))
}

func sourceLine(p kbuild.Place) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
