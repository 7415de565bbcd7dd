package mainline

import (
	"fmt"
	"strings"
)

// around is how many lines a hunk has before and after what changed.
const around = 3

// diff is a unified diff of one file as git has it, with how many lines came and went. It has one hunk: here files are new, or change in one or two places.
func diff(name, was, is string, there bool) (text string, added, gone int) {
	if was == is {
		return "", 0, 0
	}
	var b strings.Builder
	fmt.Fprintf(&b, "diff --git a/%s b/%[1]s\n", name)
	source := "a/" + name
	if !there {
		b.WriteString("new file mode 100644\n")
		source = "/dev/null"
	}
	fmt.Fprintf(&b, "--- %s\n+++ b/%s\n", source, name)
	old, fresh := linesOf(was), linesOf(is)
	from, oldTo, freshTo := changed(old, fresh)
	first, last := max(from-around, 0), min(oldTo+around, len(old))
	var lines strings.Builder
	for _, part := range []struct {
		mark  string
		lines []string
	}{{" ", old[first:from]}, {"-", old[from:oldTo]}, {"+", fresh[from:freshTo]}, {" ", old[oldTo:last]}} {
		for _, line := range part.lines {
			lines.WriteString(part.mark + line)
		}
	}
	added, gone = freshTo-from, oldTo-from
	fmt.Fprintf(&b, "@@ -%s +%s @@\n%s", span(first, last-first), span(first, last-first+added-gone), lines.String())
	return b.String(), added, gone
}

func span(from, count int) string {
	if count > 0 {
		from++
	}
	return fmt.Sprintf("%d,%d", from, count)
}

// linesOf are the lines of a text, each with its end; of a last one without, git's remark is a part.
func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			line += "\n\\ No newline at end of file\n"
		}
		lines = append(lines, line)
	}
	return lines
}

// changed says where two texts neither begin nor end alike: the lines [from, oldTo) of the old one became [from, freshTo).
func changed(old, fresh []string) (from, oldTo, freshTo int) {
	for from < len(old) && from < len(fresh) && old[from] == fresh[from] {
		from++
	}
	oldTo, freshTo = len(old), len(fresh)
	for oldTo > from && freshTo > from && old[oldTo-1] == fresh[freshTo-1] {
		oldTo, freshTo = oldTo-1, freshTo-1
	}
	return from, oldTo, freshTo
}
