package claims

import (
	"fmt"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// noticesOf says in a line each what of the claims a reader should know.
func noticesOf(c *results.Claims) (lines []string) {
	if c == nil {
		return nil
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if len(c.Broken) > 0 {
		passes := ""
		if c.First != "" {
			passes = fmt.Sprintf("; it passes from %s to %s", c.First, c.Last)
		}
		add("dkms.conf lets it be built for %s, where it fails%s", strings.Join(c.Broken, ", "), passes)
	}
	for _, s := range c.Stated {
		switch {
		case len(s.Broken) > 0:
			add("%s says %q, and it fails on %s", s.Where, s.Text, strings.Join(s.Broken, ", "))
		case !s.Measured:
			add("%s says %q, and none of those kernels was measured", s.Where, s.Text)
		}
	}
	for _, p := range c.Proposed {
		add("%s would say what was measured: it passes on %s and fails on %s", p.Line, p.Good, p.Bad)
	}
	if n := len(c.Constant); n > 0 { // what they keep for other kernels was compiled on none
		example, always := c.Constant[0], "never"
		if example.Holds {
			always = "always"
		}
		add("%d of %d conditions on the kernel's version come out the same on every kernel here, e.g. %s: %s %s is %s so; the code for the others was not compiled",
			n, n+c.Varied, example.Where, example.Op, example.Version, always)
	}
	return lines
}
