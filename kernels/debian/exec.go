package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cures says how to get a tool that is missing.
var cures = map[string]string{
	"apt-get":    "this source needs a host with apt: install apt",
	"apt-config": "this source needs a host with apt: install apt",
	"dpkg-deb":   "install dpkg",
	"mmdebstrap": "install mmdebstrap",
	"bwrap":      "install bubblewrap",
	"tar":        "install tar",
}

// killAfter is how long a tool may tidy up after it was told to end; mmdebstrap deletes its half-made root then.
const killAfter = 20 * time.Second

// toolError is a tool that failed, in one line; the whole of what it said is in Output.
type toolError struct {
	Tool, Output string
	Err          error
}

func (e *toolError) Unwrap() error { return e.Err }

// Error gives the tool's own first complaint, else its last line.
func (e *toolError) Error() string {
	last := ""
	for line := range strings.Lines(e.Output) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") {
			return e.Tool + ": " + strings.TrimPrefix(line, "E: ")
		}
		if line != "" {
			last = line
		}
	}
	if last == "" {
		last = e.Err.Error()
	}
	return e.Tool + ": " + last
}

// command is a tool in a process group of its own, which ends with ctx, and with us, however we end.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	return cmd
}

// run runs cmd to its end and returns what it wrote to its standard output, unless cmd.Stdout is set.
func run(ctx context.Context, cmd *exec.Cmd) (string, error) {
	// The death signal is sent when the thread that forked ends (prctl(2)), so this thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out, diagnostics bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &diagnostics
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever of its group is left
	}
	tool := cmd.Args[0]
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%s is missing: %s", tool, cures[tool])
	case err != nil:
		return "", &toolError{tool, diagnostics.String(), err}
	}
	return out.String(), nil
}
