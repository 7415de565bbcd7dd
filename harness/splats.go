package harness

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"bytes"
	"cmp"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
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

// worthKeeping is a vm.Picker: it picks the faults, and the markers that place them, so that no fault hides in what is cut.
func worthKeeping(text []byte, n int) (parts []vm.Part, next int) {
	for _, s := range console.Scan(text) {
		if s.Start < n && s.Severity != console.Note {
			parts = append(parts, vm.Part{Start: lineStart(text, s.Start), End: lineEnd(text, s.End), Like: s.Fingerprint})
		}
	}
	for at := 0; ; {
		i := bytes.Index(text[at:n], markerWords)
		if i < 0 {
			break
		}
		i += at
		at = min(lineEnd(text, i), n)
		parts = append(parts, vm.Part{Start: lineStart(text, i), End: lineEnd(text, i)})
	}
	parts = apartOnly(parts)
	next = n
	if len(parts) > 0 {
		next = max(n, parts[len(parts)-1].End)
	}
	return parts, next
}

// markerWords are in every marker (wire.Marker), whosever it is.
var markerWords = []byte("modmatrix ")

// apartOnly puts parts in order, and makes one of those that lie in one another, as the reports of two processors do.
func apartOnly(parts []vm.Part) []vm.Part {
	slices.SortFunc(parts, func(a, b vm.Part) int { return cmp.Compare(a.Start, b.Start) })
	out := parts[:0]
	for _, p := range parts {
		if len(out) == 0 || p.Start >= out[len(out)-1].End {
			out = append(out, p)
			continue
		}
		last := &out[len(out)-1]
		last.End = max(last.End, p.End)
		if last.Like != "" && p.Like != "" {
			last.Like += " " + p.Like
		} else {
			last.Like = ""
		}
	}
	return out
}

func lineStart(text []byte, at int) int { return bytes.LastIndexByte(text[:at], '\n') + 1 }

func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}
