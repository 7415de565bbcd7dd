package guest

import (
	"time"

	"golang.org/x/sys/unix"
)

// syncDisks is sync(2), unless a broken driver makes it hang.
func syncDisks() {
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

// powerOff switches the guest off. It does not return, even where that fails.
func powerOff() {
	for {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		time.Sleep(time.Second)
	}
}
