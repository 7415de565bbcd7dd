package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cures say how to get a tool that is missing.
var cures = map[string]string{"git": "install git", "bwrap": "install bubblewrap"}

// killGrace is how long whoever is ended may take to be gone.
const killGrace = 10 * time.Second

// toolError is a tool that failed, in one line.
type toolError struct {
	tool, output string
	err          error
}

func (e *toolError) Unwrap() error { return e.err }

// fault is a line that says what went wrong, as against the many that say what was done.
var fault = regexp.MustCompile(`(?i)(\berror\b|\bfatal\b|cannot|no rule to make|not found|no space left|^bwrap:)`)

// Error gives the tool's own first complaint, else its last line.
func (e *toolError) Error() string {
	last := ""
	for line := range strings.Lines(e.output) {
		line = strings.TrimSpace(line)
		if fault.MatchString(line) {
			last = line
			break
		}
		last = cmp.Or(line, last)
	}
	if last = strings.TrimPrefix(last, "fatal: "); len(last) > 300 {
		last = last[:300] + "…"
	}
	return e.tool + ": " + cmp.Or(last, e.err.Error())
}

// command is a tool in a process group of its own, which ends with ctx, and with us, however we end.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killGrace
	return cmd
}

// output runs cmd to its end and returns what it wrote to its standard output, unless cmd.Stdout is set.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	// The death signal is sent when the thread that forked ends (prctl(2)), so this thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out, said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	err := cmd.Run()
	tool := cmd.Args[0]
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is missing: %s", tool, cures[tool])
	case err != nil:
		return "", &toolError{tool, said.String(), err}
	}
	return out.String(), nil
}
