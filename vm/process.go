package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

const (
	// startTimeout bounds QEMU's own start, which takes 50 ms: a host that needs this long has no memory left.
	startTimeout = 30 * time.Second
	// drainTimeout bounds what comes after QEMU's death: writers that are still busy with its last output.
	drainTimeout = 10 * time.Second
)

// ErrNoQEMU says that QEMU is not installed.
var ErrNoQEMU = errors.New("QEMU is not installed")

// Process is a guest that was started. Its methods may be called from several goroutines.
type Process struct {
	cmd      *exec.Cmd
	stderr   *BoundedLog
	copiers  *copiers
	monitor  *monitor
	exited   chan struct{} // QEMU was reaped
	done     chan struct{} // everything is cleaned up, and outcome and err are final
	template *template     // nil unless the guest is to become one
	machine  *Machine      // that was started; never written to
	clone    bool
	report   net.Conn // our end of the report port
	plugged  plugged
	debugged chan struct{} // closed when a debugger lets the guest run that it stopped

	mu      sync.Mutex
	reason  Reason    // from the monitor; empty while there is none
	killed  bool      // by us
	started time.Time // when the processor began to run; zero before
	stopped bool      // by a debugger

	outcome Outcome
	err     error
}

// Start starts QEMU and returns when the guest's processor runs, or could run if the machine is Paused. The guest is
// killed when ctx ends. An error is the fault of this host or of the machine's description, never of the guest; it wraps
// ErrNoQEMU where that is the cause.
func (m *Machine) Start(ctx context.Context) (*Process, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m.start(ctx, nil, m.letRun)
}

// start starts QEMU, with the memory in a file if ram is not nil, and returns when run has started the processor.
func (m *Machine) start(ctx context.Context, ram *ramFile, run func(*Process, context.Context) error) (*Process, error) {
	path, err := lookQEMU(m.qemu())
	if err != nil {
		return nil, err
	}
	ch, b, err := openChannels(m.Terminal != nil)
	if err != nil {
		return nil, err
	}
	if m.Debug != "" {
		if b.debug, err = ch.listen(m.Debug); err != nil {
			ch.close()
			return nil, err
		}
	}
	own := *m
	p := &Process{exited: make(chan struct{}), done: make(chan struct{}), debugged: make(chan struct{}), stderr: &BoundedLog{Head: 4 << 10, Tail: 16 << 10},
		machine: &own, clone: ram.isClone(), report: ch.report.ours}
	p.cmd = exec.CommandContext(ctx, path)
	p.cmd.ExtraFiles = ch.files()
	opened, err := p.equip(m, b, ram)
	if err == nil {
		err = p.launch()
	}
	for _, f := range opened {
		f.Close()
	}
	if err != nil {
		ch.close()
		return nil, fmt.Errorf("start %s: %w", m.qemu().Binary, err)
	}
	ch.closeTheirs()
	p.copiers = startCopiers(m, ch)
	if err := p.connect(ctx, ch, run); err != nil {
		return nil, err
	}
	go p.finish()
	return p, nil
}

// equip sets QEMU's arguments, attributes and user. The files that it returns are to be closed once QEMU has them.
func (p *Process) equip(m *Machine, b backends, ram *ramFile) ([]*os.File, error) {
	p.cmd.Stdout, p.cmd.Stderr = p.stderr, p.stderr
	p.cmd.WaitDelay = drainTimeout
	p.cmd.Cancel = p.kill
	// A group of its own keeps a terminal's Ctrl-C from QEMU: ending a guest is our decision.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	other, err := otherUser()
	if err != nil || other == nil {
		p.cmd.Args = append(p.cmd.Args, m.argv(b, ram)...)
		return nil, err
	}
	other.become(p.cmd.SysProcAttr, m)
	p.cmd.Dir, p.cmd.Env = "/", []string{} // a folder that it may enter, and no variable that it does not need
	in := &inherited{user: other, next: firstExtra + len(p.cmd.ExtraFiles)}
	m, ram, err = in.open(m, ram)
	p.cmd.Args = append(p.cmd.Args, m.argv(b, ram)...)
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, in.files...)
	return in.files, err
}

// launch starts QEMU on a thread that lives as long: PDEATHSIG comes when the *thread* ends (prctl(2)), not the process.
func (p *Process) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		// A session keyring of its own, for this thread and QEMU: the keys of the user's session are no business of a guest's.
		_, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // a kernel without keys has none to give
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.cmd.Wait() // its result is in ProcessState
		close(p.exited)
	}()
	return <-started
}

// connect connects to the monitor and starts the processor. After an error nothing is left of the guest.
func (p *Process) connect(ctx context.Context, ch *channels, run func(*Process, context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("QEMU did not come up"))
	defer cancel()
	var err error
	if p.monitor, err = newMonitor(ctx, ch.monitor.ours, p.observe); err == nil {
		err = run(p, ctx)
	}
	if err == nil {
		return nil
	}
	p.Kill()
	p.finish()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if text := strings.TrimSpace(p.stderr.String()); text != "" {
		err = fmt.Errorf("%s: %s", p.cmd.ProcessState, text)
	}
	return fmt.Errorf("start %s: %w", p.cmd.Path, err)
}

// letRun is the last step of every start.
func (m *Machine) letRun(p *Process, ctx context.Context) error {
	if m.Paused {
		return nil
	}
	return p.Resume(ctx)
}

// Resume starts the processor of a guest that was started Paused. Elapsed counts from here.
func (p *Process) Resume(ctx context.Context) error {
	p.mu.Lock()
	p.started = time.Now()
	p.mu.Unlock()
	_, err := p.monitor.Exec(ctx, "cont", nil)
	if err == nil && p.clone && p.machine.qemu().LosesInterrupts {
		err = p.Send([]byte("\n"))
	}
	return err
}

func (p *Process) elapsed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started.IsZero() {
		return 0
	}
	return time.Since(p.started)
}

func (p *Process) observe(e qmp.Event) {
	p.plugged.observe(e)
	p.observeDebugger(e.Event)
	if e.Event != "SHUTDOWN" {
		return
	}
	reason, _ := e.Data["reason"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason == "" {
		p.reason = Reason(reason)
	}
}

// finish waits for the end, cleans up, and sets the outcome.
func (p *Process) finish() {
	defer close(p.done)
	<-p.exited
	elapsed := p.elapsed()
	if p.monitor != nil {
		p.monitor.drain(drainTimeout)
		p.monitor.close()
	}
	p.err = p.copiers.wait(drainTimeout)
	state := p.cmd.ProcessState
	p.outcome = Outcome{Reason: p.verdict(), ExitCode: state.ExitCode(), Stderr: p.stderr.String(), Elapsed: elapsed}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		p.outcome.Signal = status.Signal().String()
	}
	if p.template != nil {
		p.template.ended()
	}
}

// verdict is the reason that the monitor gave, which came before any signal that we sent, else what we know ourselves.
func (p *Process) verdict() Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.killed:
		return cmp.Or(p.reason, HostKilled)
	case p.reason == "" && p.machine.qemu().ExitsAtPowerOff && p.cmd.ProcessState.ExitCode() == 0:
		return GuestShutdown
	}
	return cmp.Or(p.reason, QEMUDied)
}

// Wait returns when QEMU has ended and every byte of its channels was written. The outcome holds even with an error, which
// says that output of a channel was lost: a writer failed or did not return. Wait may be called many times.
func (p *Process) Wait() (Outcome, error) {
	<-p.done
	return p.outcome, p.err
}

// Done is closed when Wait would return at once.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends QEMU at once, whatever state it is in. It does not wait.
func (p *Process) Kill() { p.kill() }

func (p *Process) kill() error {
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	return p.cmd.Process.Kill() // does nothing to a process that was reaped
}

// Quit asks QEMU to end, and kills it if it has not when ctx ends.
func (p *Process) Quit(ctx context.Context) {
	defer context.AfterFunc(ctx, p.Kill)()
	if _, err := p.monitor.Exec(context.WithoutCancel(ctx), "quit", nil); err != nil {
		p.Kill()
	}
	<-p.done
}

// sendTimeout bounds Send: a guest that does not read what it asked for is not waited for.
const sendTimeout = 5 * time.Second

// Send sends the guest bytes on its report port. To one that does not read it sends what fits, and returns an error.
func (p *Process) Send(b []byte) error {
	err := p.report.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		_, err = p.report.Write(b)
	}
	if err != nil {
		return fmt.Errorf("write to the guest's report port: %w", err)
	}
	return nil
}
