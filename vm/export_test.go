package vm

import (
	"context"
	"testing"
	"time"
)

// LateWhen lets the time of every clone be over when expired returns.
func LateWhen(t *testing.T, expired func()) {
	old := restoreDeadline
	restoreDeadline = func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		go func() {
			expired()
			cancel(errRestoreTimeout)
		}()
		return ctx, func() { cancel(nil) }
	}
	t.Cleanup(func() { restoreDeadline = old })
}

// DivideDiagnosis makes Diagnose's limits shorter by a factor.
func DivideDiagnosis(t *testing.T, by time.Duration) {
	old := limits
	limits = diagnosisLimits{old.quiet / by, old.answer / by, old.key / by, old.nmi / by}
	t.Cleanup(func() { limits = old })
}

// SetKVMDevice lets the probe believe that path is /dev/kvm.
func SetKVMDevice(t *testing.T, path string) {
	old := kvmDevice
	kvmDevice = path
	t.Cleanup(func() { kvmDevice = old })
}

// PID is QEMU's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// QMP is QEMU's control connection.
func (p *Process) QMP() *monitor { return p.monitor }

// Total is the number of bytes ever written.
func (l *BoundedLog) Total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// InjectNMI is what Diagnose asks last.
func (p *Process) InjectNMI(ctx context.Context) error { return p.injectNMI(ctx) }
