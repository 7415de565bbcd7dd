package sandbox

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

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
