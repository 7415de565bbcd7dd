package console

import (
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// Splat is one thing the kernel complained about.
type Splat struct {
	Kind        string       // one of the Kind constants
	Code        results.Code // how a cell is coded for it
	Severity    Severity     // how much it weighs
	Title       string       // kind and guilty function without numbers, at most 120 bytes; the same bug gets the same title
	Fingerprint string       // 16 hex digits over kind and the first kept frames: stable across kernels, builds and runs
	Function    string       // the guilty function; empty when the report names none
	Guilty      Frame        // the frame of Function; the zero value when the report names none
	Module      string       // the module of Function; empty for the kernel itself
	Gone        string       // the module unloaded last, when the processor ran into code that no module has any more; usually empty
	Where       string       // file:line as the header names it; empty when it names none
	Panic       string       // the panic's own words, when the kernel went down with this splat
	Frames      []Frame      // the report's main stack trace, innermost first, at most 64; unreliable frames included
	Start, End  int          // byte offsets into the log: first byte of its first line, end of its last line
	Line        int          // 1-based number of the line in which it starts
	Excerpt     string       // its first lines, cleaned, at most 4 KiB
}

// Frame is one entry of a stack trace.
type Frame struct {
	Function string // without compiler suffixes such as .isra.0
	Symbol   string // as the kernel prints it, which is how the object file has it; empty when the trace names no place in it
	Offset   uint64 // into the function; zero also when the trace does not say
	Size     uint64 // of the function in bytes; zero when the trace does not say
	Module   string // empty for the kernel itself
	Reliable bool   // false for the frames that the unwinder only guesses at, printed with "?" or "(unreliable)"
	PC       bool   // Offset is where the processor was; else it is where a call returns to
}

// In returns the guilty frame where it lies in module, else the innermost reliable one that does, and whether there is one.
// A dash in the name is the same as an underscore, as in the kernel.
func (s Splat) In(module string) (Frame, bool) {
	want := wire.ModuleName(module)
	for i, f := range append([]Frame{s.Guilty}, s.Frames...) {
		if (i == 0 || f.Reliable) && f.Module != "" && wire.ModuleName(f.Module) == want {
			return f, true
		}
	}
	return Frame{}, false
}
