package vm

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// inherited are the files of a machine, opened by us for a QEMU that may not open them itself: the user that it runs as
// need not be able to enter the folders that they are in.
type inherited struct {
	user  *user
	next  int // descriptor number of the next one in QEMU
	files []*os.File
}

// open opens the files of m, and of ram if it is not nil, and returns a machine that names them as QEMU finds them.
// The caller closes the files, even after an error.
func (in *inherited) open(m *Machine, ram *ramFile) (*Machine, *ramFile, error) {
	own := *m
	var err error
	for _, path := range []*string{&own.Kernel, &own.Initrd} {
		if *path != "" && !ram.isClone() && err == nil {
			*path, err = in.readable(*path)
		}
	}
	if own.Drive != "" && err == nil {
		own.Drive, err = in.drive(own.Drive)
	}
	if ram != nil && err == nil {
		copied := *ram
		copied.path, err = in.writable(ram.path)
		ram = &copied
	}
	if err != nil {
		err = fmt.Errorf("open file for QEMU: %w", err)
	}
	return &own, ram, err
}

// add returns the number under which QEMU has f.
func (in *inherited) add(f *os.File) int {
	in.files = append(in.files, f)
	in.next++
	return in.next - 1
}

// fdPath names an open file such that opening it again needs rights to the file alone, and none to its folders.
func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// readable opens a file that QEMU will open again for reading. If QEMU's user may not read it, QEMU gets a copy in memory:
// some distributions hide the kernel's image from ordinary users.
func (in *inherited) readable(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	if in.user.mayRead(f) {
		return fdPath(in.add(f)), nil
	}
	defer f.Close()
	fd, err := unix.MemfdCreate("boot file", unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	memory := os.NewFile(uintptr(fd), path)
	number := in.add(memory)
	if _, err := io.Copy(memory, f); err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	return fdPath(number), nil
}

// writable opens a file that QEMU will open again for writing, and makes QEMU's user its owner.
func (in *inherited) writable(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	number := in.add(f)
	return fdPath(number), f.Chown(int(in.user.uid), int(in.user.gid))
}

// fdSet begins the name of a descriptor that QEMU's block layer was given with -add-fd.
const fdSet = "/dev/fdset/"

// drive opens a file that QEMU's block layer, and nothing else of QEMU, can use without opening it again.
func (in *inherited) drive(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%d", fdSet, in.add(f)), nil
}
