package sandbox

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// decide runs the filter on one system call.
func decide(t *testing.T, machine uint32, nr int, args ...uint64) uint32 {
	t.Helper()
	program, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	var raw []bpf.RawInstruction
	for r := bytes.NewReader(program); r.Len() > 0; {
		var i bpf.RawInstruction
		if err := binary.Read(r, binary.NativeEndian, &i); err != nil {
			t.Fatal(err)
		}
		raw = append(raw, i)
	}
	decoded, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter is no program")
	}
	vm, err := bpf.NewVM(decoded)
	if err != nil {
		t.Fatal(err)
	}
	// struct seccomp_data (Linux linux/seccomp.h), its words as the package's machine reads them: in network order.
	words := []uint32{uint32(nr), machine, 0, 0}
	for i := range 6 {
		var arg uint64
		if i < len(args) {
			arg = args[i]
		}
		words = append(words, uint32(arg), uint32(arg>>32))
	}
	var data []byte
	for _, w := range words {
		data = binary.BigEndian.AppendUint32(data, w)
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestFilter(t *testing.T) {
	native, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	if native.ID != arch.X86_64.ID {
		t.Skipf("the numbers below are those of x86_64, not of %s", native.Name)
	}
	const allow = uint32(seccomp.ActionAllow)
	fails := func(e unix.Errno) uint32 { return uint32(errno(e)) }
	const x32, i386Keyctl = 0x40000000, 288
	for what, c := range map[string]struct {
		machine uint32
		nr      int
		args    []uint64
		want    uint32
	}{
		"open":                          {nr: unix.SYS_OPENAT, want: allow},
		"execve":                        {nr: unix.SYS_EXECVE, want: allow},
		"clone as fork does":            {nr: unix.SYS_CLONE, args: []uint64{uint64(unix.SIGCHLD)}, want: allow},
		"clone as threads do":           {nr: unix.SYS_CLONE, args: []uint64{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, want: allow},
		"clone of a namespace":          {nr: unix.SYS_CLONE, args: []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, want: fails(unix.EPERM)},
		"clone, bits that are ignored":  {nr: unix.SYS_CLONE, args: []uint64{1<<40 | unix.CLONE_NEWUSER}, want: fails(unix.EPERM)},
		"clone3":                        {nr: unix.SYS_CLONE3, want: fails(unix.ENOSYS)},
		"unshare files":                 {nr: unix.SYS_UNSHARE, args: []uint64{unix.CLONE_FILES}, want: allow},
		"unshare":                       {nr: unix.SYS_UNSHARE, args: []uint64{unix.CLONE_NEWUSER}, want: fails(unix.EPERM)},
		"keyctl":                        {nr: unix.SYS_KEYCTL, want: fails(unix.EPERM)},
		"keyctl of x32":                 {nr: x32 | unix.SYS_KEYCTL, want: fails(unix.ENOSYS)},
		"keyctl of i386":                {machine: uint32(arch.I386.ID), nr: i386Keyctl, want: fails(unix.ENOSYS)},
		"anything of i386":              {machine: uint32(arch.I386.ID), nr: 1, want: fails(unix.ENOSYS)},
		"bpf":                           {nr: unix.SYS_BPF, want: fails(unix.EPERM)},
		"io_uring":                      {nr: unix.SYS_IO_URING_SETUP, want: fails(unix.ENOSYS)},
		"open_tree_attr":                {nr: 467, want: fails(unix.EPERM)},
		"socket of the network":         {nr: unix.SYS_SOCKET, args: []uint64{unix.AF_INET6}, want: allow},
		"socket to the hypervisor":      {nr: unix.SYS_SOCKET, args: []uint64{unix.AF_VSOCK}, want: fails(unix.EAFNOSUPPORT)},
		"socket, bits that are ignored": {nr: unix.SYS_SOCKET, args: []uint64{1<<40 | unix.AF_VSOCK}, want: fails(unix.EAFNOSUPPORT)},
		"memory that is of no process":  {nr: unix.SYS_MEMFD_CREATE, want: fails(unix.ENOSYS)},
		"handle of a file anywhere":     {nr: unix.SYS_OPEN_BY_HANDLE_AT, want: fails(unix.EPERM)},
		"memory of another process":     {nr: unix.SYS_PROCESS_VM_READV, want: fails(unix.EPERM)},
		"a number that no call has yet": {nr: 5000, want: allow},
	} {
		machine := c.machine
		if machine == 0 {
			machine = uint32(native.ID)
		}
		if got := decide(t, machine, c.nr, c.args...); got != c.want {
			t.Errorf("%s: %#x, not %#x", what, got, c.want)
		}
	}
}

// Every name is one that this architecture has, or had: a misspelt one would be skipped in silence.
func TestFilterKnowsItsCalls(t *testing.T) {
	for _, name := range append(append([]string{}, denied...), absent...) {
		_, here := arch.X86_64.SyscallNames[name]
		_, elsewhere := arch.I386.SyscallNames[name]
		if !here && !elsewhere {
			t.Errorf("there is no system call %s", name)
		}
	}
}
