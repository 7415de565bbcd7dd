// Package here is this very machine as a thing to load modules into: it starts the helper that does so, as root, and knows how it
// ended, as package vm does of QEMU. What the helper does is initramfs/guest's business. It also reads what the kernel kept of its log
// as it went down.
//
// It must never know what is loaded, nor judge what became of it.
package here

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// Command is how program is run as root: by itself where this process is root already, else by sudo, or pkexec where there is no sudo.
func Command(program string, args ...string) ([]string, error) {
	return command(os.Geteuid(), program, args)
}

func command(user int, program string, args []string) ([]string, error) {
	argv := append([]string{program}, args...)
	if user == 0 {
		return argv, nil
	}
	for _, tool := range []string{"sudo", "pkexec"} {
		if path, err := exec.LookPath(tool); err == nil {
			return append([]string{path}, argv...), nil
		}
	}
	return nil, errors.New("loading a module takes root's rights, and there is neither sudo nor pkexec: run modmatrix as root")
}

// Process is a helper that was started.
type Process struct {
	Frames io.ReadCloser // what it reports; it must be read to its end

	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr *vm.BoundedLog
	done   chan struct{}
	asked  chan struct{} // closed by Stop
}

// The exit codes of the helper (initramfs/guest, Here).
const (
	codeDied  = 4
	codeStuck = 5
)

// Reasons for an end, beside those of package vm.
const (
	Died vm.Reason = "guest-died"  // the kernel ended what loaded or unloaded the module
	Lost vm.Reason = "helper-died" // it ended by itself, or was ended: its last words say more
)

// Start starts a command that Command gave. When ctx ends, the helper is asked to end, as by Stop.
func Start(ctx context.Context, argv []string) (*Process, error) {
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), stderr: &vm.BoundedLog{Head: 4 << 10, Tail: 16 << 10}, done: make(chan struct{}), asked: make(chan struct{})}
	frames, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the helper: %w", err)
	}
	defer out.Close()
	p.Frames, p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = frames, out, p.stderr, time.Second
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		frames.Close()
		return nil, fmt.Errorf("start the helper: %w", err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its result is in ProcessState
	}()
	context.AfterFunc(ctx, p.Stop)
	return p, nil
}

// Stop asks the helper to undo what it can, and to end. It does not wait. A helper that is in the kernel for good stays there: no signal
// reaches it.
func (p *Process) Stop() {
	select {
	case <-p.asked:
	default:
		close(p.asked)
	}
	_ = p.in.Close()
}

// Done is closed once the helper has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the helper's end, but not for longer than patience says once it was asked to end. left: it is still there then.
func (p *Process) Wait(patience func() time.Duration) (out vm.Outcome, left bool) {
	select {
	case <-p.done:
	case <-p.asked:
		select {
		case <-p.done:
		case <-time.After(patience()):
			return vm.Outcome{Reason: vm.HostKilled, Stderr: p.stderr.String()}, true
		}
	}
	state := p.cmd.ProcessState
	out = vm.Outcome{Reason: Lost, ExitCode: state.ExitCode(), Stderr: p.stderr.String()}
	select {
	case <-p.asked:
		out.Reason = vm.HostKilled
	default:
		switch state.ExitCode() {
		case 0:
			out.Reason = vm.GuestShutdown
		case codeDied:
			out.Reason = Died
		}
	}
	return out, state.ExitCode() == codeStuck
}

// BootID is the kernel's own name for this boot.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("ask this kernel which boot this is: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
