// Package vmtest is a fake QEMU: the test binary itself, run again under QEMU's name. It takes the same arguments, speaks
// QMP, and plays a guest from a script, so that everything above vm can be tested in milliseconds, and against guests that
// no kernel would be.
//
// A test package calls Main from its TestMain, and Install with a script where it wants a guest. A testscript gets it
// with Command among its commands and ScriptEnv naming the file of the script. README.md has the statements of a script.
//
// The package must never know how package vm uses it, and does not import it.
package vmtest
