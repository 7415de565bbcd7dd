package watch

import "time"

// settler says when a burst of changes is over. A checkout touches files for seconds, and an editor writes a file in several steps:
// what is read in between is nobody's source. It never looks at a clock.
type settler struct {
	quiet   time.Duration // without a change, and the burst is over
	longest time.Duration // what changes for ever is looked at all the same

	first, last time.Time // of the burst; zero: there is none
}

// touch notes a change.
func (s *settler) touch(now time.Time) {
	if s.first.IsZero() {
		s.first = now
	}
	s.last = now
}

// due is when to look, if there is something to look at.
func (s *settler) due() (at time.Time, ok bool) {
	if s.first.IsZero() {
		return at, false
	}
	at = s.last.Add(s.quiet)
	if limit := s.first.Add(s.longest); limit.Before(at) {
		at = limit
	}
	return at, true
}

// settled reports whether the burst is over, and forgets it.
func (s *settler) settled(now time.Time) bool {
	at, ok := s.due()
	if !ok || now.Before(at) {
		return false
	}
	s.first, s.last = time.Time{}, time.Time{}
	return true
}
