package watch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// maxLines bounds what is shown of what a command prints.
const maxLines = 20

// Shell carries out a command of the user with the user's own shell, with env added to the environment, and returns what it printed
// and how it failed. The end of ctx ends it, and all that it started. No folder, file or guest has any word in what is run.
func Shell(ctx context.Context, command string, env ...string) (lines []string, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("SHELL"), "/bin/sh"), "-c", command)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	for s := bufio.NewScanner(&out); len(lines) < maxLines && s.Scan(); {
		lines = append(lines, results.Plain(s.Text()))
	}
	return lines, err
}

// Page shows a file with the user's own pager on the terminal, until it is left.
func Page(path string) error {
	pager := cmp.Or(strings.TrimSpace(os.Getenv("PAGER")), "less")
	cmd := exec.Command("/bin/sh", "-c", pager+` "$1"`, "sh", path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
