// Package vm runs a kernel in QEMU: a Machine is to a guest what exec.Cmd is to a process.
//
// A Machine is plain data, and its command line a pure function of it. Start gives a Process once the guest's
// processor runs; Wait says how it ended, as QEMU's monitor told it and not as the exit code did (it is 0 for a
// power-off, a panic and a triple fault alike). Nothing is left behind: the channels are socket pairs without a name,
// and QEMU dies with us.
//
// A guest that every test of a kernel would boot alike is booted once: StartTemplate and Save freeze it in a folder, and
// Restore makes clones that go on from there, in a tenth of a second instead of seconds. ErrTemplate marks what a fresh
// template cures.
//
// Where we are root, QEMU is not: it runs as nobody, and gets its files opened. Diagnose asks a guest that hangs where it
// is. Probe finds out which accelerator really boots a kernel here, and Known what it found before.
//
// The package must never know what the guest is asked to do, what its frames mean, or what a kernel module is. It
// hands out bytes and reasons; others judge them.
package vm
