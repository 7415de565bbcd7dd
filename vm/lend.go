package vm

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// loans are the files of a machine, opened by us for a QEMU that could not: the folders that they lie in may be closed
// to whom it runs as, and stay so.
type loans struct {
	to    *user
	next  int // descriptor number of the next one in QEMU
	files []*os.File
}

// lend opens the files of m, and of ram if it is not nil, and gives a machine that names them as QEMU finds them.
// The files are to be closed by the caller, even after an error.
func (m *Machine) lend(l *loans, ram *ramFile) (*Machine, *ramFile, error) {
	own := *m
	var err error
	for _, path := range []*string{&own.Kernel, &own.Initrd} {
		if *path != "" && !ram.isClone() && err == nil {
			*path, err = l.readable(*path)
		}
	}
	if own.Drive != "" && err == nil {
		own.Drive, err = l.drive(own.Drive)
	}
	if ram != nil && err == nil {
		lent := *ram
		lent.path, err = l.writable(ram.path)
		ram = &lent
	}
	if err != nil {
		err = fmt.Errorf("open file for QEMU: %w", err)
	}
	return &own, ram, err
}

// add gives the number under which QEMU has f.
func (l *loans) add(f *os.File) int {
	l.files = append(l.files, f)
	l.next++
	return l.next - 1
}

// again names an open file such that opening it again needs rights to the file alone, and none to its folders.
func again(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// readable opens a file that QEMU will open again for reading. Of one that it may not read it gets a copy in memory: a
// kernel that a distribution hides from its users.
func (l *loans) readable(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	if l.to.mayRead(f) {
		return again(l.add(f)), nil
	}
	defer f.Close()
	fd, err := unix.MemfdCreate("boot file", unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	hidden := os.NewFile(uintptr(fd), path)
	number := l.add(hidden)
	if _, err := io.Copy(hidden, f); err != nil {
		return "", fmt.Errorf("copy %s: %w", path, err)
	}
	return again(number), nil
}

// writable opens a file of ours that QEMU will open again for writing, and gives it to whom QEMU runs as.
func (l *loans) writable(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	number := l.add(f)
	return again(number), f.Chown(int(l.to.uid), int(l.to.gid))
}

// drive opens a file that QEMU uses as it gets it, through the only layer that can: that of its block devices.
func (l *loans) drive(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%d", fdSet, l.add(f)), nil
}

// fdSet is how QEMU's block layer speaks of descriptors that it was given; see -add-fd.
const fdSet = "/dev/fdset/"
