package main

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/modmatrix/modmatrix/harness"
)

// terminal returns the size of the terminal that f is, if it is one that understands more than plain text.
func terminal(f *os.File) (width, height int, ok bool) {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24, true
	}
	return width, height, true
}

// coloured says whether text on f has colours (no-color.org).
func (a *app) coloured(f *os.File) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	_, _, ok := terminal(f)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("CI") == ""
}

// showCursor undoes what a live view may have done to the terminal, for an end without ceremony.
func showCursor(f *os.File) {
	if term.IsTerminal(int(f.Fd())) {
		_, _ = io.WriteString(f, "\x1b[?25h\n")
	}
}

// suiteName is how results name a suite that was given by folder.
func suiteName(given string) string {
	if abs, err := filepath.Abs(given); err == nil && given != harness.Lifecycle {
		given = abs
	}
	return filepath.Base(given)
}
