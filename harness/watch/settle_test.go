package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A burst is over when nothing has changed for a while; one that never ends is looked at all the same. Times are milliseconds.
func TestSettling(t *testing.T) {
	dawn := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		touched []int
		want    string // when it is looked at, of a look every 10 ms
	}{
		"nothing":                        {nil, ""},
		"a single save":                  {[]int{0}, "100"},
		"a save in three steps":          {[]int{0, 20, 90}, "190"},
		"two saves":                      {[]int{0, 300}, "100 400"},
		"a save just as it is looked at": {[]int{0, 100}, "200"},
		"a checkout":                     {every(50, 1000), "1100"},
		"what never ends":                {every(50, 4500), "2000 4050 4600"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settler{quiet: 100 * time.Millisecond, longest: 2 * time.Second}
			var looks []string
			for now := 0; now <= 6000; now += 10 {
				at := dawn.Add(time.Duration(now) * time.Millisecond)
				if len(c.touched) > 0 && c.touched[0] == now {
					s.touch(at)
					c.touched = c.touched[1:]
				}
				due, ok := s.due()
				if settled := s.settled(at); settled != (ok && !due.After(at)) {
					t.Fatalf("%d: settled is %v, due at %v", now, settled, due)
				} else if settled {
					looks = append(looks, fmt.Sprint(now))
				}
			}
			if got := strings.Join(looks, " "); got != c.want {
				t.Errorf("looked at %s, want %s", got, c.want)
			}
		})
	}
}

func every(step, until int) (at []int) {
	for now := 0; now <= until; now += step {
		at = append(at, now)
	}
	return at
}
