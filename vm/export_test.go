package vm

import "testing"

// SetKVMDevice lets the probe believe that path is /dev/kvm.
func SetKVMDevice(t *testing.T, path string) {
	old := kvmDevice
	kvmDevice = path
	t.Cleanup(func() { kvmDevice = old })
}
