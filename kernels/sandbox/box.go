// Package sandbox runs commands that a stranger wrote: in a file tree of their own, without network, capabilities, keys or any
// descriptor of this process, and within bounds. Every command of this project that obeys a stranger's file is started here.
//
// It must never know what is run.
package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"

	"github.com/modmatrix/modmatrix/kernels"
)

// Home is where a Box's folder stands inside unless it says otherwise.
const Home = "/build"

const (
	tmpSize    = 1 << 30  // bytes of /tmp
	shmSize    = 64 << 20 // bytes of /dev/shm
	fileSize   = 4 << 30  // bytes of the largest file that may be written
	spareProcs = 512      // beyond maxProcs, so that the watcher sees them
	maxCPU     = 3600     // seconds of processor time of one process: a compiler needs a few, a linker not much more
	maxAS      = 16 << 30 // bytes of address space of one process: more than any compiler asks for
)

// limitScript lowers the limits inside the sandbox, where only its own processes count, and becomes the command.
// ulimit -f counts in units of 512 bytes and -v in KiB; the option for processes is -p in dash and -u in bash. Root is
// exempt from that limit (Linux kernel/fork.c, copy_process); the watcher counts as well, and says so.
var limitScript = fmt.Sprintf(`ulimit -c 0; ulimit -f %d; ulimit -t %[3]d; ulimit -v %[4]d; ulimit -p %[2]d 2>/dev/null || ulimit -u %[2]d 2>/dev/null; exec "$@"`,
	fileSize/512, maxProcs+spareProcs, maxCPU, maxAS>>10)

// Environment is what every command knows of where it runs; a Box's own comes after it.
var Environment = [][2]string{
	{"HOME", "/tmp/home"},
	{"LC_ALL", "C"},
	{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	{"TMPDIR", "/tmp"},
	{"TZ", "UTC"},
}

// Box is where a stranger's command runs: in a root, with one folder of the host that it may write to.
type Box struct {
	Root     kernels.Root    // the zero value: the programs and libraries of the host
	Mounts   []kernels.Mount // read-only ones
	Dir      string          // the host folder that it may write to; the disk that is watched is that of Dir
	At       string          // where Dir stands inside, absolute; empty: Home
	Writable []kernels.Mount // further folders that it may write to; Link means nothing there
	Env      [][2]string     // beside what every command knows
	Stdin    io.Reader       // nil: nothing

	bounds *bounds // nil: the usual ones
}

// Run runs a command and returns its exit code. Its output goes to out as it comes. An error means that it did not run to its
// end, for a reason on our side: the sandbox could not be made, a bound was reached, the disk is full, or ctx ended (the error
// then wraps its cause). When Run returns, no process of the sandbox is left.
func (b Box) Run(ctx context.Context, out io.Writer, command ...string) (int, error) {
	v, err := b.view()
	if err != nil {
		return 0, fmt.Errorf("lay out root: %w", err)
	}
	if err := CheckDisk(b.Dir); err != nil {
		return 0, err
	}
	return b.run(ctx, out, b.args(v, command))
}

func (b Box) at() string { return cmp.Or(b.At, Home) }

func (b Box) view() (*View, error) {
	v, err := Layout(b.Root, b.Mounts)
	if err == nil && b.at() != Home {
		err = v.open(path.Dir(b.at()))
	}
	return v, err
}

// isolation are the arguments of bwrap that no sandbox goes without. A set-uid program in there would gain nothing: bwrap sets
// no_new_privs.
func isolation() []string {
	args := []string{"--unshare-all", "--unshare-user"}
	if disablesUserns() {
		args = append(args, "--disable-userns")
	}
	return append(args, "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--hostname", "modmatrix",
		"--json-status-fd", strconv.Itoa(statusFD), "--seccomp", strconv.Itoa(filterFD))
}

// args is the whole argument list of bwrap: command runs in v, may write to the Box's folders alone, and reaches nothing else.
func (b Box) args(v *View, command []string) []string {
	args := isolation()
	for _, e := range slices.Concat(Environment, b.Env) {
		args = append(args, "--setenv", e[0], e[1])
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--size", strconv.Itoa(shmSize), "--tmpfs", "/dev/shm",
		"--size", strconv.Itoa(tmpSize), "--tmpfs", "/tmp", "--dir", "/tmp/home")
	args = append(args, v.args...) // after /tmp: the host's own kernel tree may lie there
	args = append(args, "--bind", b.Dir, b.at())
	for _, m := range b.Writable {
		args = append(args, "--bind", m.Host, m.Guest)
	}
	args = append(args, v.seal()...)
	// bwrap itself leaves /proc/sys writable, and root owns what is in there without any capability: core_pattern alone
	// would let a Makefile run a program on the host (Linux fs/proc/proc_sysctl.c, test_perm). Its /dev is memory without bounds.
	args = append(args, "--remount-ro", "/proc", "--remount-ro", "/dev")
	args = append(args, "--chdir", b.at(), "--", "sh", "-c", limitScript, "sh")
	return append(args, command...)
}
