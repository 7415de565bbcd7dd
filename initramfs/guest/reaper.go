package guest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// reaper waits for all processes: every orphan becomes a child of PID 1, so nothing else may wait.
type reaper struct {
	kill     func() // sends SIGKILL to every process but this one, or to those that are ours
	mu       sync.Mutex
	children map[int]*process
}

type process struct {
	pid    int
	ended  chan struct{}
	status syscall.WaitStatus // once ended is closed
}

func newReaper() *reaper {
	r := &reaper{children: map[int]*process{}, kill: killOthers}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	go func() {
		for range ends {
			r.reap()
		}
	}()
	return r
}

// reap collects ended children, and reports whether any are left. The lock is that of start: none is reaped before it is known.
func (r *reaper) reap() (left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch p := r.children[pid]; {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return err == nil
		case p != nil:
			p.status = status
			close(p.ended)
			delete(r.children, pid)
		}
	}
}

// start starts a program, with no other files than those in attr.
func (r *reaper) start(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: path, Err: err}
	}
	p := &process{pid: pid, ended: make(chan struct{})}
	r.children[pid] = p
	return p, nil
}

func (p *process) endsWithin(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// killOthers kills every process but PID 1; kernel threads ignore it. It does nothing where this is not PID 1.
func killOthers() {
	if os.Getpid() == 1 {
		_ = syscall.Kill(-1, syscall.SIGKILL)
	}
}

// killAll kills every other process, lest one holds the module. What hangs in the kernel is left after half a second.
func (r *reaper) killAll() {
	for range 100 {
		r.kill()
		if !r.reap() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
