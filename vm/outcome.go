package vm

import "time"

// Reason is how a guest ended. The first five are QEMU's words (qapi/run-state.json ShutdownCause, QEMU 4.0); the others are
// ours, for a QEMU that reported nothing. The zero value is invalid.
type Reason string

// The reasons.
const (
	GuestShutdown Reason = "guest-shutdown" // the guest powered itself off; on riscv64 ours, where QEMU ended in order and without a report
	GuestReset    Reason = "guest-reset"    // the guest asked to be reset: a panic with panic=-1, or a triple fault
	GuestPanic    Reason = "guest-panic"    // the guest reported its panic to a pvpanic device; on s390x any panic
	HostQuit      Reason = "host-qmp-quit"  // Quit
	HostSignal    Reason = "host-signal"    // somebody sent QEMU a signal that it handles, such as SIGTERM
	HostKilled    Reason = "host-killed"    // Kill, or the context's end
	QEMUDied      Reason = "qemu-died"      // QEMU ended without a report: it crashed, or somebody else killed it (no memory?)
)

// Outcome is what is known of a guest after its end.
type Outcome struct {
	Reason   Reason
	ExitCode int           // QEMU's own; says nothing about the guest. -1 when a signal ended it
	Signal   string        // that ended QEMU, e.g. "killed"; empty for none
	Stderr   string        // QEMU's own error messages, bounded; usually empty
	Elapsed  time.Duration // from the first instruction to the end of QEMU; zero if there was none
}
