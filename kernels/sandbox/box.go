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

	"encoding/binary"
	"os"
	"sync"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/modmatrix/modmatrix/kernels"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
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
	// Machine, in place of Root, is a host folder that is / inside, and that the command may write to as uid 0 without any capability: what
	// installs packages wants both. Mounts are laid over it.
	Machine string

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
	if b.Machine != "" {
		return b.machine(), nil
	}
	v, err := Layout(b.Root, b.Mounts)
	if err == nil && b.at() != Home {
		err = v.open(path.Dir(b.at()))
	}
	return v, err
}

// machine is the view of a Machine: bwrap makes the mount points that it lacks.
func (b Box) machine() *View {
	v := &View{args: []string{"--uid", "0", "--gid", "0"}}
	for _, m := range b.Mounts {
		v.args = append(v.args, "--ro-bind", m.Host, m.Guest)
	}
	return v
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
	if b.Machine != "" {
		args = append(args, "--bind", b.Machine, "/")
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

// denied are system calls that no compiler, make or script needs, and that have been the way out of sandboxes. They fail
// with EPERM. A name that this architecture lacks is skipped.
var denied = []string{
	"add_key", "keyctl", "request_key",
	"mount", "umount2", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "chroot", "setns", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct",
	"bpf", "perf_event_open", "userfaultfd", "fanotify_init", "kcmp", "lookup_dcookie",
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "syslog", "vhangup",
	"open_by_handle_at", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
}

// absent fail with ENOSYS, as on a kernel without them: programs then do with older calls. clone3 has its flags in memory,
// where no filter sees them; io_uring would make any call unseen; the others make memory that belongs to no process.
var absent = []string{"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create", "memfd_secret", "shmget"}

// newNamespaces are the flags of clone and unshare that make a namespace.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// families are the sockets that programs use; a network namespace keeps some others, such as AF_VSOCK, from nobody.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

const sizeOfWord = 4

// filter is the compiled system call filter, as bwrap reads it: an array of struct sock_filter (Linux linux/filter.h).
var filter = sync.OnceValues(func() ([]byte, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("make system call filter: %w", err)
	}
	known := func(names []string) (kept []string) {
		for _, name := range names {
			if _, ok := native.SyscallNames[name]; ok {
				kept = append(kept, name)
			}
		}
		return kept
	}
	namespaces := seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: newNamespaces}}
	var otherSocket seccomp.ArgumentConditions
	for _, family := range families {
		otherSocket = append(otherSocket, seccomp.Condition{Argument: 0, Operation: seccomp.NotEqual, Value: family})
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Action: errno(unix.EPERM), Names: known(denied), NamesWithCondtions: []seccomp.NameWithConditions{
			{Name: "clone", Conditions: namespaces}, {Name: "unshare", Conditions: namespaces},
		}},
		{Action: errno(unix.ENOSYS), Names: known(absent)},
		{Action: errno(unix.EAFNOSUPPORT), NamesWithCondtions: []seccomp.NameWithConditions{{Name: "socket", Conditions: otherSocket}}},
	}}
	program, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("make system call filter: %w", err)
	}
	// The library lets the calls of another architecture pass: an i386 program would be free (Linux, seccomp(2), "Caveats").
	const archOffset = 4 // in struct seccomp_data
	return encode(append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: sizeOfWord},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(native.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(errno(unix.ENOSYS))},
	}, program...))
})

func errno(e unix.Errno) seccomp.Action { return seccomp.ActionErrno | seccomp.Action(e) }

func encode(program []bpf.Instruction) ([]byte, error) {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assemble system call filter: %w", err)
	}
	return binary.Append(nil, binary.NativeEndian, raw)
}

// filterFile is a file that the filter can be read from once.
func filterFile() (*os.File, error) {
	program, err := filter()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("seccomp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file for system call filter: %w", err)
	}
	f := os.NewFile(uintptr(fd), "seccomp")
	if _, err := f.WriteAt(program, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("write system call filter: %w", err)
	}
	return f, nil
}
