package mainline

import (
	"fmt"
	"strings"
)

// context is how many lines a hunk has around what changed.
const around = 3

// diff is a unified diff of one file as git has it, with how many lines came and went. Here files are new, or change in one or two places.
func diff(name, was, is string, there bool) (text string, added, gone int) {
	if was == is {
		return "", 0, 0
	}
	var b strings.Builder
	fmt.Fprintf(&b, "diff --git a/%s b/%[1]s\n", name)
	from := "a/" + name
	if !there {
		b.WriteString("new file mode 100644\n")
		from = "/dev/null"
	}
	fmt.Fprintf(&b, "--- %s\n+++ b/%s\n", from, name)
	old, fresh := linesOf(was), linesOf(is)
	for _, h := range hunks(old, fresh) {
		first, lines := max(h.oldFrom-around, 0), strings.Builder{}
		last := min(h.oldTo+around, len(old))
		for _, line := range old[first:h.oldFrom] {
			lines.WriteString(" " + line)
		}
		for _, line := range old[h.oldFrom:h.oldTo] {
			lines.WriteString("-" + line)
		}
		for _, line := range fresh[h.freshFrom:h.freshTo] {
			lines.WriteString("+" + line)
		}
		for _, line := range old[h.oldTo:last] {
			lines.WriteString(" " + line)
		}
		added, gone = added+h.freshTo-h.freshFrom, gone+h.oldTo-h.oldFrom
		before, after := last-first, last-first+(h.freshTo-h.freshFrom)-(h.oldTo-h.oldFrom)
		fmt.Fprintf(&b, "@@ -%s +%s @@\n%s", span(first, before), span(h.freshFrom-(h.oldFrom-first), after), lines.String())
	}
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

// hunk is that the lines [oldFrom, oldTo) became [freshFrom, freshTo).
type hunk struct{ oldFrom, oldTo, freshFrom, freshTo int }

// hunks compares: what begins and ends alike is cut off, and the rest is one hunk.
func hunks(old, fresh []string) []hunk {
	head := 0
	for head < len(old) && head < len(fresh) && old[head] == fresh[head] {
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(fresh)-head && old[len(old)-1-tail] == fresh[len(fresh)-1-tail] {
		tail++
	}
	if len(old) == head+tail && len(fresh) == head+tail {
		return nil
	}
	return []hunk{{head, len(old) - tail, head, len(fresh) - tail}}
}
