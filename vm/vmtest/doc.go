// Package vmtest is a QEMU that boots nothing: the test binary itself, run again under QEMU's name. It takes the same
// arguments, speaks QMP, and plays a guest from a script, so that everything above vm can be tested in milliseconds
// and against guests that no kernel would be.
//
// A test package calls Main from its TestMain, and Install with a script where it wants a guest. A testscript gets it
// with Command among its commands and ScriptEnv naming the file of the script.
//
// A script is a line per statement; a blank line or one that begins with # says nothing. Statements that concern QEMU
// hold from its start:
//
//	refuse CODE TEXT    complain with TEXT and exit before there is a monitor; a CODE of -9 is a kill (SIGKILL)
//	mute [COMMAND]      the monitor never answers COMMAND; without one, it does not even greet. When it would have to, the
//	                    report port says "muted COMMAND", or greeting or migration
//	mute DEVICE_DELETED the guest never lets go of a device that is pulled
//	greet TEXT          the monitor's greeting, in place of QEMU's
//	flood events        the monitor sends events as fast as they are taken
//	migration fails TEXT
//	                    saving fails; restoring ends QEMU, which complains with TEXT, as the real one does
//	migration hangs     saving and restoring never end
//
// The others are what the guest does, one after the other, once its processor runs:
//
//	console TEXT        print a line on the kernel log; console- prints it without its end
//	report TEXT         the same on the report port; report- likewise
//	file PORT PATH      copy a file to console or report
//	flood console N     print N bytes of kernel log
//	echo                answer every line on the terminal with "you said …", until "bye"
//	sleep DURATION      as time.ParseDuration reads it
//	poweroff            end with SHUTDOWN reason guest-shutdown
//	reset               end with guest-reset, as a panic under panic=-1 does
//	panic               end with guest-panic
//	end REASON          end with any SHUTDOWN reason, be it none that QEMU knows
//	die CODE TEXT       QEMU itself dies: TEXT on standard error, no SHUTDOWN; a CODE of -9 is a kill (SIGKILL)
//	monitor TEXT        the monitor says TEXT, whether or not it was asked
//	hangup              the monitor's connection is closed; the guest goes on
//	freeze              QEMU is stopped (SIGSTOP)
//	call NAME ARG…      run a function given to Register
//
// A template is played as well: the guest can be stopped before any statement, and is saved as a state of a few bytes
// beside a memory that holds next to nothing. A clone plays the script from its beginning, since nothing of the guest is
// in either; [-incoming] and [share=on] tell clone and template apart:
//
//	[share=on] report a template that waits
//	[-incoming] report a clone
//	[-incoming] poweroff
//
// A clone whose state is not what the fake once saved ends like one whose migration fails.
//
// A script that ends without an end leaves a guest that hangs in silence. A statement behind [TEXT] only holds where
// TEXT is in QEMU's arguments, joined by spaces, and behind [!TEXT] where it is not; behind several, where all of them
// hold.
//
// The package must never know what package vm makes of all this, and does not import it.
package vmtest
