// Package guest is PID 1 of the machine under test: it mounts what Linux programs expect; for each suite it loads the
// modules, runs the suite, unloads, and looks for what is left behind; and it reports each step to the host by frames on
// the second serial port. Then it powers off.
//
// It decides nothing: what a frame means for the module is judged on the host. It must never know what the modules are
// for, and never exit: when PID 1 ends, the kernel panics, and the module would be blamed for it.
package guest
