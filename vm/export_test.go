package vm

import (
	"testing"
	"time"
)

// SetRestoreTimeout lets a clone have this long.
func SetRestoreTimeout(t *testing.T, d time.Duration) {
	old := restoreTimeout
	restoreTimeout = d
	t.Cleanup(func() { restoreTimeout = old })
}

// SetKVMDevice lets the probe believe that path is /dev/kvm.
func SetKVMDevice(t *testing.T, path string) {
	old := kvmDevice
	kvmDevice = path
	t.Cleanup(func() { kvmDevice = old })
}

// PID is QEMU's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }
