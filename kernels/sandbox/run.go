package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"math"
	"strconv"

	"golang.org/x/sys/unix"
)

// statusFD and filterFD are the descriptors on which bwrap reports what became of the command, and reads the filter.
const (
	statusFD = 3
	filterFD = 4
)

// ErrNotMade says that bwrap could make no sandbox here, or that nothing to run is in it; why is in the output.
var ErrNotMade = errors.New("make sandbox")

const killGrace = 10 * time.Second

// disablesUserns says whether this bwrap can forbid user namespaces inside by itself, which is since 0.8. The filter does anyway.
var disablesUserns = sync.OnceValue(func() bool {
	help, err := exec.Command("bwrap", "--help").Output()
	return err == nil && strings.Contains(string(help), "--disable-userns")
})

// Try makes a sandbox with nothing in it, and returns the path of the program that does.
func Try(ctx context.Context) (string, error) {
	path, err := exec.LookPath("bwrap")
	if err != nil {
		return "", errors.New("bwrap is missing: apt install bubblewrap")
	}
	dir, err := os.MkdirTemp("", "modmatrix-try-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var said strings.Builder
	exit, err := (Box{Dir: dir}).Run(ctx, &said, "true")
	if err == nil && exit != 0 {
		err = fmt.Errorf("exit status %d", exit)
	}
	if err != nil {
		question := ""
		if barrier() == "" {
			question = "; may this user make namespaces here? In a container, that is for who started it to allow"
		}
		return "", fmt.Errorf("%s: %w%s", strings.TrimSpace(said.String()), err, question)
	}
	return path, nil
}

// barriers are the kernel's settings that keep an ordinary user from making namespaces.
var barriers = []struct{ file, value, cure string }{
	{"kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor keeps users from making namespaces, as Ubuntu has it since 24.04: " +
		"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or load an AppArmor profile for bwrap that has the rule userns"},
	{"kernel/unprivileged_userns_clone", "0", "users may make no namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1"},
	{"user/max_user_namespaces", "0", "users may make no namespaces: sudo sysctl -w user.max_user_namespaces=10000"},
}

// settings is where the kernel shows them; tests have others.
var settings = "/proc/sys"

// barrier says which setting is most likely in the way of a sandbox, and the cure; empty where none is.
func barrier() string {
	for _, b := range barriers {
		if text, err := os.ReadFile(filepath.Join(settings, b.file)); err == nil && strings.TrimSpace(string(text)) == b.value {
			return "; " + b.cure
		}
	}
	return ""
}

func (b Box) run(ctx context.Context, out io.Writer, args []string) (int, error) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return 0, errors.New("bwrap is not installed, and strangers' code runs in nothing less: install the package bubblewrap")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	status, statusEnd, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer status.Close()
	defer statusEnd.Close()
	filter, err := filterFile()
	if err != nil {
		return 0, err
	}
	defer filter.Close()

	// bwrap dies with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so that thread has to outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	leaveKeyring()
	init := make(chan int, 1)
	cmd := exec.CommandContext(ctx, bwrap, args...)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = b.Stdin, out, out
	cmd.ExtraFiles = []*os.File{statusEnd, filter}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return kill(cmd.Process, init) }
	cmd.WaitDelay = killGrace
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start bwrap: %w", err)
	}
	statusEnd.Close()
	return wait(ctx, cmd, status, init, newWatch(b, cancel))
}

// wait waits for the end of cmd, which w watches as long as it runs.
func wait(ctx context.Context, cmd *exec.Cmd, status *os.File, init chan<- int, w *watch) (int, error) {
	ended := make(chan int, 1)
	go readStatus(status, func(pid int) {
		init <- pid
		w.init.Store(int64(pid))
	}, func() { close(init) }, ended)
	go w.run(ctx)
	waited := cmd.Wait()
	_ = status.SetReadDeadline(time.Now().Add(killGrace)) // nothing but bwrap ever held the other end
	code, ran := <-ended
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case !ran && waited == nil:
		return 0, errors.New("bwrap ended without a word")
	case !ran:
		return 0, fmt.Errorf("%w: %w%s", ErrNotMade, waited, barrier())
	}
	return code, nil
}

// kill ends the sandbox from the inside out: with its init gone the kernel ends all the others and only then does bwrap, which
// waits for init, end too. To kill bwrap first would leave them running for a moment after it was waited for.
func kill(bwrap *os.Process, init <-chan int) error {
	select {
	case pid := <-init:
		if pid > 1 {
			return unix.Kill(pid, unix.SIGKILL)
		}
	case <-time.After(time.Second): // not even init is there yet
	}
	return bwrap.Kill()
}

// readStatus reads bwrap's report: who is init in the sandbox, and at the end the command's exit code.
// Without the latter the command never ran, and ended is closed empty.
func readStatus(r io.Reader, begun func(pid int), over func(), ended chan<- int) {
	defer close(ended)
	defer over()
	for dec := json.NewDecoder(r); ; {
		var s struct {
			ChildPID *int `json:"child-pid"`
			ExitCode *int `json:"exit-code"`
		}
		if dec.Decode(&s) != nil {
			return
		}
		if s.ChildPID != nil && begun != nil {
			begun(*s.ChildPID)
			begun = nil
		}
		if s.ExitCode != nil {
			ended <- *s.ExitCode
			return
		}
	}
}

// Seal keeps the descriptors that this process was started with from every program that it starts: an open folder of the
// caller would be a way around any sandbox. It is to be called first in main.
func Seal() error {
	const first = 3 // after standard input, output and error
	if unix.CloseRange(first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // Linux before 5.11
	if err != nil {
		return fmt.Errorf("list open files: %w", err)
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// leaveKeyring gives the calling thread, and what it starts, a session keyring of its own, so that nothing in it has the keys of
// the user's session. The thread must be locked. A kernel without keys has none to give.
func leaveKeyring() { _, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) }
