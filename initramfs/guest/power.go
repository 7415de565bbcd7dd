package guest

import (
	"time"

	"golang.org/x/sys/unix"
)

// unixSync writes out what programs left in memory, unless a broken driver keeps it from ending.
func unixSync() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		unix.Sync()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// powerOff ends the guest. It does not return: where the machine cannot be switched off, PID 1 waits to be ended with it.
func powerOff() {
	for {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		time.Sleep(time.Second)
	}
}
