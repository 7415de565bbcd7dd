package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

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

// coloured says whether text on f has colours (no-color.org, bixense.com/clicolors). A flag counts more than a variable.
func (a *app) coloured(f *os.File) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	_, _, ok := terminal(f)
	return ok && os.Getenv("CLICOLOR") != "0" && os.Getenv("CI") == ""
}

// showCursor undoes what a live view may have done to the terminal, for an end without ceremony.
func showCursor(f *os.File) {
	if term.IsTerminal(int(f.Fd())) {
		_, _ = io.WriteString(f, "\x1b[?25h\n")
	}
	keyboard.restore()
}

// suiteName is how results name a suite that was given by folder.
func suiteName(given string) string {
	if abs, err := filepath.Abs(given); err == nil && given != harness.Lifecycle {
		given = abs
	}
	return filepath.Base(given)
}

// fromHere is a path below the folder in which the user stands, as seen from there; another stays, for with links, .. may lead elsewhere.
func fromHere(path string) string {
	if here, err := os.Getwd(); err == nil && filepath.IsAbs(path) {
		if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// output is our standard output or error. It remembers a failed write, so that no command ends as if all had been read.
type output struct {
	file *os.File

	mu   sync.Mutex
	lost error              // the first that kept something from being written
	gone context.CancelFunc // ends what is under way when nobody reads any more; nil: nothing is
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err == nil {
		return n, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost == nil {
		o.lost = err
	}
	if unread(err) && o.gone != nil {
		o.gone()
	}
	return n, err
}

// err is what kept something from being written, if anything did.
func (o *output) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// unread says whether whoever read has gone, as head does after its lines.
func unread(err error) bool { return errors.Is(err, syscall.EPIPE) }

// endWhenUnread lets end be called when nobody reads what env's commands say. By itself, Go ends a process at once that writes
// into such a standard output, and guests and temporary folders would be left behind.
func endWhenUnread(env Env, end context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // the write fails; ignored, programs that we start would inherit it
	for _, o := range []*output{env.Stdout, env.Stderr} {
		o.mu.Lock()
		o.gone = end
		o.mu.Unlock()
	}
}
