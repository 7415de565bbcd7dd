package guest

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// sysDir is where the paths of events begin.
const sysDir = "/sys"

// uevents are the kernel's announcements as devices, drivers, buses and classes come and go: they find what is left in sysfs at a
// fraction of the cost of walking it. If some are lost, something may be missed; nothing is reported that is not there.
type uevents struct {
	mu    sync.Mutex
	fd    int
	buf   []byte
	added map[string]bool // paths below sysDir
}

// ueventBuffer is the size of the socket's buffer, in bytes: for some thousand events.
const ueventBuffer = 4 << 20

// openUevents begins to listen. A kernel without CONFIG_NET announces nothing.
func openUevents() *uevents {
	fd, _ := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ueventBuffer)
	_ = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}) // 1: the kernel's own
	return &uevents{fd: fd, buf: make([]byte, 16<<10), added: map[string]bool{}}
}

func (u *uevents) drain() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		n, _, err := unix.Recvfrom(u.fd, u.buf, 0)
		switch err {
		case nil:
			u.apply(string(u.buf[:n]))
		case unix.EINTR, unix.ENOBUFS: // some were lost
		default: // EAGAIN: no more for now; EBADF: no socket
			return
		}
	}
}

func (u *uevents) reset() {
	u.drain()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.added = map[string]bool{}
}

// apply applies a message: "add@/devices/virtual/misc/fifo" and fields, each ended by a zero byte (lib/kobject_uevent.c).
func (u *uevents) apply(message string) {
	head, fields, _ := strings.Cut(message, "\x00")
	action, at, ok := strings.Cut(head, "@")
	if !ok || len(at) < 2 || strings.HasPrefix(at, "/module/") || strings.HasPrefix(at, "/kernel/slab/") || strings.HasPrefix(at, "/devices/virtual/vc/") {
		return // the first two are in the survey; the last come with the use of a text console
	}
	old, synthetic := "", false
	for field := range strings.SplitSeq(fields, "\x00") {
		synthetic = synthetic || strings.HasPrefix(field, "SYNTH_UUID=") // somebody wrote to a file named uevent
		if value, ok := strings.CutPrefix(field, "DEVPATH_OLD="); ok {
			old = value
		}
	}
	switch {
	case synthetic:
	case action == "add":
		u.added[at] = true
	case action == "remove":
		delete(u.added, at)
	case action == "move" && u.added[old]:
		delete(u.added, old)
		u.added[at] = true
	}
}

// left lists what was added and is still there below root, without what is inside of another such folder.
func (u *uevents) left(root string) (list []string) {
	u.drain()
	u.mu.Lock()
	defer u.mu.Unlock()
	there := map[string]bool{}
	for p := range u.added {
		if _, err := os.Lstat(root + p); err == nil {
			there[p] = true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(there)) {
		if !within(p, there) {
			list = append(list, fmt.Sprintf("%s: %s", root+path.Dir(p), path.Base(p)))
		}
	}
	return list
}

func within(p string, paths map[string]bool) bool {
	for dir := path.Dir(p); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if paths[dir] {
			return true
		}
	}
	return false
}
