package harness

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/console"
)

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
