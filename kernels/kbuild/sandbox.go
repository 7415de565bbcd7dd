package kbuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	guestBuild   = "/build"   // where the private copy is mounted, the same in every build, so that debug info is the same too
	guestSymbols = "/symbols" // where the Module.symvers of other external modules are

	// buildTime stands for the time of day wherever a build asks for it: the .ko depends on the source and the tree alone.
	buildTime = 946684800 // 2000-01-01T00:00:00Z

	tmpSize  = 1 << 30  // bytes of /tmp
	shmSize  = 64 << 20 // bytes of /dev/shm
	fileSize = 4 << 30  // bytes of the largest file a build may write
	maxProcs = 4096     // processes; the kernel exempts root from it (Linux kernel/fork.c, copy_process)
	maxCPU   = 3600     // seconds of processor time of one process: a compiler needs a few, a linker not much more
	maxAS    = 16 << 30 // bytes of address space of one process: more than any compiler asks for
	minFree  = 32 << 20 // bytes of disk that a build leaves to others

	watchEvery = 500 * time.Millisecond
	killGrace  = 10 * time.Second
)

// limitScript lowers the limits inside the sandbox, where only its own processes count, and becomes the command.
// ulimit -f counts in units of 512 bytes and -v in KiB; the option for processes is -p in dash and -u in bash.
var limitScript = fmt.Sprintf(`ulimit -c 0; ulimit -f %d; ulimit -t %[3]d; ulimit -v %[4]d; ulimit -p %[2]d 2>/dev/null || ulimit -u %[2]d 2>/dev/null; exec "$@"`,
	fileSize/512, maxProcs, maxCPU, maxAS>>10)

// environment is all that a build knows of where it runs (Linux Documentation/kbuild/reproducible-builds.rst).
var environment = [][2]string{
	{"HOME", "/tmp/home"},
	{"KBUILD_BUILD_HOST", "modmatrix"},
	{"KBUILD_BUILD_TIMESTAMP", "@" + strconv.Itoa(buildTime)},
	{"KBUILD_BUILD_USER", "modmatrix"},
	{"LC_ALL", "C"},
	{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	{"SOURCE_DATE_EPOCH", strconv.Itoa(buildTime)},
	{"TMPDIR", "/tmp"},
	{"TZ", "UTC"},
}

// run runs bwrap with args and returns the exit code of the command inside. Its output goes to out as it comes.
// An error means that the command did not run to its end, for a reason that is never the module's: the sandbox could not be
// made, ctx ended, the disk filled up. When run returns, no process of the sandbox is left.
func run(ctx context.Context, args []string, dir string, out io.Writer) (int, error) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return 0, errors.New("bwrap is not installed, and a module is built in nothing less: install the package bubblewrap")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	status, statusEnd, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer status.Close()

	// bwrap dies with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so that thread has to outlive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	init := make(chan int, 1)
	cmd := exec.CommandContext(ctx, bwrap, args...)
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{statusEnd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return kill(cmd.Process, init) }
	cmd.WaitDelay = killGrace
	err = cmd.Start()
	statusEnd.Close()
	if err != nil {
		return 0, fmt.Errorf("start bwrap: %w", err)
	}
	ended := make(chan int, 1)
	go readStatus(status, init, ended)
	go watchDisk(ctx, dir, cancel)
	waited := cmd.Wait()
	status.SetReadDeadline(time.Now().Add(killGrace)) // nothing but bwrap ever held the other end
	code, ran := <-ended
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case !ran && waited == nil:
		return 0, errors.New("bwrap ended without a word")
	case !ran:
		return 0, fmt.Errorf("make sandbox: %w", waited)
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

// readStatus reads what bwrap reports: who is init in the sandbox, and at the end the command's exit code.
// Without the latter the command never ran, and ended is closed empty.
func readStatus(r io.Reader, init, ended chan<- int) {
	defer close(ended)
	defer close(init)
	sent := false
	for dec := json.NewDecoder(r); ; {
		var s struct {
			ChildPID *int `json:"child-pid"`
			ExitCode *int `json:"exit-code"`
		}
		if dec.Decode(&s) != nil {
			return
		}
		if s.ChildPID != nil && !sent {
			init <- *s.ChildPID
			sent = true
		}
		if s.ExitCode != nil {
			ended <- *s.ExitCode
			return
		}
	}
}

// watchDisk cancels when the disk of dir is about to be full, as long as ctx lives.
func watchDisk(ctx context.Context, dir string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := checkDisk(dir); err != nil {
				cancel(err)
				return
			}
		}
	}
}

// reclaim gives back the right to remove dir: a build may have taken it from folders in there. Where that fails, removing
// it will, and say so.
func reclaim(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close()
	fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o700 != 0o700 {
			root.Chmod(name, info.Mode().Perm()|0o700)
		}
		return nil
	})
}

// checkDisk says when less than minFree is left where dir is. The error is an ENOSPC.
func checkDisk(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("stat disk of build folder: %w", err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < minFree {
		return fmt.Errorf("only %d MiB free for builds at %s: %w", free>>20, dir, syscall.ENOSPC)
	}
	return nil
}
