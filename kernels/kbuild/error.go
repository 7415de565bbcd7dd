package kbuild

import (
	"errors"

	"github.com/modmatrix/modmatrix/results"
)

// ErrNothingBuilt says that make ended well and built no module at all: for this kernel's configuration the Kbuild file
// declares none. It comes inside an *Error with results.CodeKoMissing.
var ErrNothingBuilt = errors.New("no module was built")

// Error is a fault of the module: the kernel's build system refused it, or what came out is no module for the kernel.
// Every other error of this package is this program's or the machine's, and says nothing about the module.
type Error struct {
	Code     results.Code // build-error, modpost-error, ko-missing or vermagic-mismatch
	Reason   string       // one line; where it has a place, file.c:LINE relative to the source comes first
	Excerpt  []string     // up to 20 lines of make's output around it
	ExitCode int          // of make; zero when make was content

	cause error
}

// Error is the code and the reason.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Reason }

// Unwrap is ErrNothingBuilt where that is the fault, else nil.
func (e *Error) Unwrap() error { return e.cause }
