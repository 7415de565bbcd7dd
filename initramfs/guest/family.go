package guest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// family holds the processes of the guest. Every orphan becomes a child of PID 1, so there is one place where children
// are waited for, and no other may.
type family struct {
	mu       sync.Mutex
	children map[int]*process
}

// process is a child that PID 1 started itself.
type process struct {
	pid    int
	ended  chan struct{}
	status syscall.WaitStatus // once ended is closed
}

// newFamily starts to reap.
func newFamily() *family {
	f := &family{children: map[int]*process{}}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	go func() {
		for range ends {
			f.reap()
		}
	}()
	return f
}

// reap takes in all children that ended, and says whether any are left. Children are started under the same lock, so
// none can be reaped before it is known.
func (f *family) reap() (left bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch p := f.children[pid]; {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return err == nil
		case p != nil:
			p.status = status
			close(p.ended)
			delete(f.children, pid)
		}
	}
}

// start starts a program. Its files are only those in attr.
func (f *family) start(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: path, Err: err}
	}
	p := &process{pid: pid, ended: make(chan struct{})}
	f.children[pid] = p
	return p, nil
}

// within says whether p ended before a time has passed.
func (p *process) within(d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-p.ended:
		return true
	case <-t.C:
		return false
	}
}

// killAll ends every process but PID 1, so that none of them holds the module. One that sleeps in the kernel for good is
// left after a while.
func (f *family) killAll() {
	for range 100 {
		_ = syscall.Kill(-1, syscall.SIGKILL) // reaches kernel threads too, which do not mind
		if !f.reap() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
