package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// UserEnv names the environment variable with the user that QEMU runs as if we are root: "UID" or "UID:GID". Root is allowed;
// then a guest that breaks out of QEMU is root.
const UserEnv = "MODMATRIX_QEMU_USER"

// nobody is the default: on every Linux the user that owns nothing.
const nobody = 65534

// user is who QEMU runs as, instead of us.
type user struct{ uid, gid uint32 }

// otherUser is who QEMU is to run as, nil for ourselves: only root can change it, to a user of this user namespace.
func otherUser() (*user, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := parseUser(os.Getenv(UserEnv))
	if err != nil || u.uid == 0 || !mayBecome(u) {
		return nil, err
	}
	return u, nil
}

func parseUser(text string) (*user, error) {
	if text == "" {
		return &user{nobody, nobody}, nil
	}
	first, second, both := strings.Cut(text, ":")
	if !both {
		second = first
	}
	uid, err := strconv.ParseUint(first, 10, 31)
	gid, err2 := strconv.ParseUint(second, 10, 31)
	if errors.Join(err, err2) != nil {
		return nil, fmt.Errorf("%s=%q: give numbers, as in %d or %d:%d", UserEnv, text, nobody, nobody, nobody)
	}
	return &user{uint32(uid), uint32(gid)}, nil
}

// mayBecome reports whether this process may start another as u. Root of a container may not; outside it is no root.
func mayBecome(u *user) bool {
	var caps [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if unix.Capget(&header, &caps[0]) != nil {
		return false
	}
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN
	uids, err := os.ReadFile("/proc/self/uid_map")
	gids, err2 := os.ReadFile("/proc/self/gid_map")
	return caps[0].Effective&needed == needed && err == nil && err2 == nil && mapped(string(uids), u.uid) && mapped(string(gids), u.gid)
}

// mapped reports whether a user namespace has id (user_namespaces(7), uid_map).
func mapped(table string, id uint32) bool {
	for line := range strings.Lines(table) {
		var first, outside, count uint32
		if n, _ := fmt.Sscan(line, &first, &outside, &count); n == 3 && id >= first && id-first < count {
			return true
		}
	}
	return false
}

// become makes a process with attr run as u, in no group but those of the devices that m needs: KVM's, and VFIO's.
func (u *user) become(attr *syscall.SysProcAttr, m *Machine) {
	attr.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid}
	var nodes []string
	if m.Accel.Name == "kvm" {
		nodes = append(nodes, kvmDevice)
	}
	if len(m.HostPCI) > 0 {
		groups, _ := filepath.Glob(vfioNodes) // only a bad pattern is an error
		nodes = append(nodes, groups...)
	}
	for _, node := range nodes {
		if gid, ok := groupOf(node); ok {
			attr.Credential.Groups = append(attr.Credential.Groups, gid)
		}
	}
}

// groupOf is the group that may use a device. That of root is given to no guest.
func groupOf(node string) (gid uint32, ok bool) {
	info, err := os.Stat(node)
	if err != nil || info.Mode()&groupUses != groupUses {
		return 0, false
	}
	gid = info.Sys().(*syscall.Stat_t).Gid
	return gid, gid != 0
}

// vfioNodes are the files of VFIO, one for each group of devices that it has.
const vfioNodes = "/dev/vfio/*"

const groupUses, allUse = 0o060, 0o006 // modes of a device that is for its group, or for everybody

// mayUse reports whether QEMU may open KVM's device, whose group it is in.
func (u *user) mayUse(device *os.File) bool {
	info, err := device.Stat()
	return err == nil && (info.Mode()&groupUses == groupUses || info.Mode()&allUse == allUse)
}

func (u *user) mayRead(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	needed := os.FileMode(0o004)
	switch owner := info.Sys().(*syscall.Stat_t); {
	case owner.Uid == u.uid:
		needed = 0o400
	case owner.Gid == u.gid:
		needed = 0o040
	}
	return info.Mode()&needed != 0
}

// inherited are the files of a machine, opened by us for a QEMU that may not open them itself: the user that it runs as
// need not be able to enter the folders that they are in.
type inherited struct {
	user  *user
	next  int // descriptor number of the next one in QEMU
	files []*os.File
}

// open opens the files of m and ram and returns a machine that names them as QEMU finds them. The caller closes them in any case.
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
