package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	// errorLine is how compilers, modpost, make, patch, sh and dkms itself say what went wrong.
	errorLine = regexp.MustCompile(`(?i)(^|[^a-z_])(fatal )?error[:!]|undefined!$|\*\*\* |: (command )?not found$|No such file or directory|FAILED --|^ERROR`)
	// warning is what looks like it and decides nothing.
	warning = regexp.MustCompile(`(?i)^warning|warning:`)
)

// firstError is the line with which a failed dkms build began to fail: in the build's log, else in what dkms said.
func firstError(exit int, log []byte, said string) string {
	if exit == 0 {
		return ""
	}
	for _, text := range []string{string(log), said} {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if errorLine.MatchString(line) && !warning.MatchString(line) && !strings.HasPrefix(line, "#") {
				return shorten(line)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return shorten(lines[len(lines)-1])
}

// shorten makes one line of at most 200 characters, without the folders that are the same in every build.
func shorten(line string) string {
	line = strings.Join(strings.Fields(strings.ToValidUTF8(line, "?")), " ")
	line = buildFolder.ReplaceAllString(line, "")
	if runes := []rune(line); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return line
}

var buildFolder = regexp.MustCompile(`/var/lib/dkms/[^/ ]+/[^/ ]+/build/`)

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return shorten(line)
}

// String is the cell as it is told while the comparison runs.
func (c cell) String() string {
	head := fmt.Sprintf("%s · %s: ", c.Package, c.Kernel)
	if c.Left != "" {
		return head + "not compared: " + c.Left
	}
	return head + c.word() + fmt.Sprintf(" (dkms %.1f s, modmatrix %.1f s)", c.Theirs.Seconds, c.Ours.Seconds)
}

// word is the cell in the table: the verdict, or both where they differ; with a mark where that is known.
func (c cell) word() string {
	switch {
	case c.Left != "":
		return "-"
	case c.same():
		return string(c.Ours.Verdict)
	case c.Known != "":
		return fmt.Sprintf("%s/%s*", c.Theirs.Verdict, c.Ours.Verdict)
	}
	return fmt.Sprintf("%s/%s!", c.Theirs.Verdict, c.Ours.Verdict)
}
