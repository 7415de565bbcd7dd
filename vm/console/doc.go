// Package console reads a kernel log and names the faults in it, as splats.
//
// It takes bytes and returns values: it opens no file, starts no process and keeps no state between calls. It must never
// know which module is under test, which suite ran, or what a fault means for a verdict. Text that a process printed is
// ignored wherever it can be distinguished from the kernel's.
//
// A log is read in four steps, each in a file of its own:
//
//	literals  find the few lines worth a look, at the speed of memory          (literals.go)
//	lines     cut a physical line where the kernel's time stamps cut it        (line.go)
//	table     say what a line announces: the signatures are data               (table*.go)
//	body      follow the report line by line, through those of other tasks     (body.go, frames.go)
//
// and then a splat gets its guilty function, its title and its fingerprint (title.go, names/).
//
// Everything that is found depends only on the log from the splat's first line on, so that a scan which starts at
// Splat.Start finds the same splat again.
package console
