// Package vm runs a kernel in QEMU: a Machine is to a guest what exec.Cmd is to a process.
//
// A Machine is plain data, and its command line a pure function of it. Start returns a Process once the guest's processor
// runs; Wait returns how it ended, as QEMU's monitor reported it: the exit code is 0 for a power-off, a panic and a triple
// fault alike. Nothing is left behind: the channels are socket pairs without a name, and QEMU dies with us.
//
// A guest that every test of a kernel would boot alike is booted once: StartTemplate and Save leave it in a folder, and
// Restore starts clones that continue from there, in a tenth of a second instead of seconds. ErrTemplate marks errors after
// which the template is to be made again.
//
// If we are root, QEMU runs as nobody and inherits its files open. Diagnose makes a guest that hangs print where it is.
// Probe finds which accelerator really boots a kernel here, and Known returns what it found before.
//
// The package must never know what the guest is asked to do, what its frames mean, or what a kernel module is. It returns
// bytes and reasons; others judge them.
package vm
