package judge

import (
	"strconv"
	"strings"
)

func inSpec(g *Guest) string {
	if g.Running == "" {
		return ""
	}
	return ", in " + quoted(g.Running)
}

// quoted is a name in quotes, empty where it is.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return strconv.Quote(name)
}

// FirstLine returns the first line of s that is not blank.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// LastLine returns the last line of s that is not blank.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
