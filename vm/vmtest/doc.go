// Package vmtest is a fake QEMU: the test binary itself, run again under QEMU's name. It takes the same arguments, speaks
// QMP, and plays a guest from a script, so that everything above vm can be tested in milliseconds, and against guests that
// no kernel would be.
//
// A test package calls Main from its TestMain, and Install with a script where it wants a guest. A testscript gets it
// with Command among its commands and ScriptEnv naming the file of the script.
//
// A script is a line per statement, or a comment behind #. Statements that concern QEMU hold from its start:
//
//	refuse CODE TEXT    complain with TEXT and exit before there is a monitor; a CODE of -9 is a kill (SIGKILL)
//	mute [COMMAND]      the monitor never answers COMMAND; without one, it does not even greet. When it would have to, the
//	                    report port says "muted COMMAND", or greeting or migration
//	mute DEVICE_DELETED the guest never releases a device that is unplugged
//	greet TEXT          the monitor's greeting, in place of QEMU's
//	flood events        the monitor sends events as fast as they are read
//	migration hangs     saving and restoring never end; migration fails TEXT: saving fails, and restoring ends QEMU with
//	                    TEXT on standard error, as the real one does
//
// The others are what the guest does, one after the other, once its processor runs:
//
//	console TEXT        print a line on the kernel log; console- prints it without its end
//	report TEXT         the same on the report port
//	flood console N     print N bytes of kernel log
//	echo                answer every line on the terminal with "you said …", until "bye"
//	sleep DURATION      as time.ParseDuration reads it
//	poweroff, panic     end with SHUTDOWN reason guest-shutdown or guest-panic
//	reset               end with guest-reset, as a panic under panic=-1 does
//	end REASON          end with any SHUTDOWN reason, even one that QEMU does not have
//	die CODE TEXT       QEMU itself dies: TEXT on standard error, no SHUTDOWN; a CODE of -9 is a kill (SIGKILL)
//	monitor TEXT        the monitor sends TEXT
//	hangup              the monitor's connection is closed; the guest goes on
//	freeze              QEMU is stopped (SIGSTOP)
//	call NAME ARG…      run a function given to Register
//
// A template is played as well: the guest can be stopped before any statement, and is saved as a state of a few bytes and a
// memory that is nearly empty. A clone plays the script from its beginning, since neither holds anything of the guest;
// [-incoming] and [share=on] distinguish clone and template:
//
//	[share=on] report a template that waits
//	[-incoming] report a clone
//	[-incoming] poweroff
//
// A clone whose state is not what the fake once saved ends like one whose migration fails.
//
// After a script without an end the guest hangs in silence. A statement behind [TEXT] only holds where TEXT is in QEMU's
// arguments, joined by spaces, and behind [!TEXT] where it is not; behind several, where all of them hold.
//
// The package must never know how package vm uses it, and does not import it.
package vmtest
