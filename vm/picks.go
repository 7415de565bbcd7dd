package vm

import (
	"bytes"
	"maps"
)

// Picker selects what a BoundedLog keeps of the text for which it has no room.
//
// Text begins with a line. Parts are those that start in its first n bytes, in their order and without overlap; the text
// behind them is there so that a part can be seen whole. Text from next on, which is n or the end of a part that reaches
// beyond it, is passed again. The result must depend on the arguments alone.
type Picker func(text []byte, n int) (parts []Part, next int)

// Part is a part of a text.
type Part struct {
	Start, End int    // offsets
	Like       string // of parts with the same value only the first few are kept; all, if it is empty
}

// Bounds of picks.
const (
	pickStep  = 2 << 20   // bytes that a Picker is asked about at once
	pickAhead = 256 << 10 // bytes that it sees behind them
	pickRoom  = 2 << 20   // bytes that are kept of all parts, half of them for those without a Like
	pickAlike = 4         // parts that are kept with the same Like
)

// picks are the parts that a Picker selects from a text of any length. The zero value keeps nothing.
type picks struct {
	pick    Picker
	text    []byte // not searched yet
	kept    []byte // the parts, with a line for what is missing between them
	room    int
	alike   map[string]int
	gap     int64 // bytes that were dropped since the last part
	dropped int64 // bytes that were dropped in all
}

func newPicks(pick Picker, begin []byte) picks {
	return picks{pick: pick, text: bytes.Clone(begin), room: pickRoom, alike: map[string]int{}}
}

func (s *picks) add(p []byte) {
	if s.pick == nil {
		return
	}
	for len(p) > 0 {
		if p = fillTo(&s.text, pickStep+pickAhead, p); len(s.text) < pickStep+pickAhead {
			return
		}
		step := len(wholeLines(s.text[:pickStep]))
		if step == 0 { // no kernel prints a line of this length
			step = pickStep
		}
		next := s.search(step)
		s.text = append(s.text[:0], s.text[next:]...)
	}
}

// search keeps the parts that start in the first n bytes of the text, and returns where the next search begins.
func (s *picks) search(n int) (next int) {
	parts, next := s.pick(s.text, n)
	at := 0
	for _, p := range parts {
		s.drop(p.Start - at)
		if s.wants(p) {
			s.keep(s.text[p.Start:p.End])
		} else {
			s.drop(p.End - p.Start)
		}
		at = p.End
	}
	s.drop(next - at)
	return next
}

func (s *picks) wants(p Part) bool {
	left := s.room - (p.End - p.Start)
	if p.Like == "" {
		return left >= pickRoom/2
	}
	s.alike[p.Like]++
	return left >= 0 && s.alike[p.Like] <= pickAlike
}

func (s *picks) keep(part []byte) {
	if s.gap > 0 {
		s.kept, s.gap = appendGap(s.kept, s.gap), 0
	}
	s.kept = append(s.kept, part...)
	s.room -= len(part)
}

func (s *picks) drop(n int) {
	s.gap += int64(n)
	s.dropped += int64(n)
}

// finish searches the rest of the text up to tail[begin:], which the log keeps. It returns from where on to keep the tail
// instead, as a part may reach into it. The receiver stays as it is.
func (s *picks) finish(tail []byte, begin int) (kept []byte, dropped int64, from int) {
	own := *s
	own.kept, own.alike = bytes.Clone(s.kept), maps.Clone(s.alike)
	own.text = append(bytes.Clone(s.text), tail[:min(len(tail), begin+pickAhead)]...)
	from = own.search(len(s.text)+begin) - len(s.text)
	if own.gap > 0 {
		own.kept = appendGap(own.kept, own.gap)
	}
	return own.kept, own.dropped, from
}
