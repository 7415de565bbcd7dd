package vm

import (
	"bytes"
	"maps"
)

// Picker looks through what a BoundedLog has no room for, before it goes, and says what must be kept all the same.
//
// Text begins with a line. Parts are those that start in its first n bytes, in their order and without one in another;
// what is behind is shown so that they can be seen whole. Text from next on, which is n or where a part ends that reaches
// beyond it, is shown again. A Picker must depend on nothing but what it is shown.
type Picker func(text []byte, n int) (parts []Part, next int)

// Part is a part of a text.
type Part struct {
	Start, End int    // offsets
	Like       string // of parts with the same word only the first few are kept; all, if it is empty
}

// Bounds of a sieve.
const (
	sieveStep  = 2 << 20   // bytes of which a Picker is asked at once
	sieveAhead = 256 << 10 // bytes that it is shown behind them
	sieveRoom  = 2 << 20   // bytes that are kept of all parts, half of them for those that are like no other
	sieveAlike = 4         // parts that are kept of those that are alike
)

// sieve keeps the parts that a Picker picks of a text of any length. The zero value keeps nothing.
type sieve struct {
	pick  Picker
	text  []byte // not looked through yet
	kept  []byte // the parts, with a line for what is missing between them
	room  int
	alike map[string]int
	gap   int64 // bytes that were dropped since the last part
	gone  int64 // bytes that were dropped in all
}

func newSieve(pick Picker, begun []byte) sieve {
	return sieve{pick: pick, text: bytes.Clone(begun), room: sieveRoom, alike: map[string]int{}}
}

// take looks through p, or will.
func (s *sieve) take(p []byte) {
	if s.pick == nil {
		return
	}
	for len(p) > 0 {
		n := min(len(p), max(sieveStep+sieveAhead-len(s.text), 0))
		s.text = append(s.text, p[:n]...)
		p = p[n:]
		if len(s.text) < sieveStep+sieveAhead {
			return
		}
		step := len(wholeLines(s.text[:sieveStep]))
		if step == 0 { // a line that does not end is no line of a kernel's
			step = sieveStep
		}
		next := s.sift(step)
		s.text = append(s.text[:0], s.text[next:]...)
	}
}

// sift keeps the parts that start in the first n bytes of the text, and says from where on it is to be looked at again.
func (s *sieve) sift(n int) (next int) {
	parts, next := s.pick(s.text, n)
	at := 0
	for _, p := range parts {
		s.miss(p.Start - at)
		if s.wants(p) {
			s.keep(s.text[p.Start:p.End])
		} else {
			s.miss(p.End - p.Start)
		}
		at = p.End
	}
	s.miss(next - at)
	return next
}

func (s *sieve) wants(p Part) bool {
	left := s.room - (p.End - p.Start)
	if p.Like == "" {
		return left >= sieveRoom/2
	}
	s.alike[p.Like]++
	return left >= 0 && s.alike[p.Like] <= sieveAlike
}

func (s *sieve) keep(part []byte) {
	if s.gap > 0 {
		s.kept, s.gap = gap(s.kept, s.gap), 0
	}
	s.kept = append(s.kept, part...)
	s.room -= len(part)
}

func (s *sieve) miss(n int) {
	s.gap += int64(n)
	s.gone += int64(n)
}

// rest looks through what is left, up to tail[begun:], which is kept, and says from where on it is: what a part takes of it
// is not told twice. The sieve stays as it is.
func (s *sieve) rest(tail []byte, begun int) (picked []byte, gone int64, from int) {
	own := *s
	own.kept, own.alike = bytes.Clone(s.kept), maps.Clone(s.alike)
	own.text = append(bytes.Clone(s.text), tail[:min(len(tail), begun+sieveAhead)]...)
	from = own.sift(len(s.text)+begun) - len(s.text)
	if own.gap > 0 {
		own.kept = gap(own.kept, own.gap)
	}
	return own.kept, own.gone, from
}
