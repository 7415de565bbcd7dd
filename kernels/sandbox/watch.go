package sandbox

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxProcs  = 4096     // processes of one sandbox
	maxFiles  = 1 << 20  // files that it makes: in memory each costs the kernel a KiB, on disk each has to be removed
	minFree   = 32 << 20 // bytes of disk that are left to others
	minInodes = 4096     // files that can still be made on that disk

	watchEvery = 100 * time.Millisecond
)

// bounds are those of one sandbox that no limit of a process knows: they are of all its processes together, or spare root.
type bounds struct {
	procs  int
	files  uint64
	memory int64 // bytes
}

// usual are the bounds of every sandbox outside of tests. Memory is three quarters of the machine's.
func usual() bounds {
	b := bounds{maxProcs, maxFiles, maxAS}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		b.memory = int64(info.Totalram) * int64(info.Unit) / 4 * 3
	}
	return b
}

// watch ends a sandbox that reaches one of its bounds.
type watch struct {
	bounds
	dir    string       // whose disk is watched
	before uint64       // how many files could be made there at first
	init   atomic.Int64 // process ID of the sandbox's init; 0 while there is none
	cancel context.CancelCauseFunc
}

func newWatch(b Box, cancel context.CancelCauseFunc) *watch {
	w := &watch{dir: b.Dir, cancel: cancel, bounds: usual()}
	if b.bounds != nil {
		w.bounds = *b.bounds
	}
	var disk unix.Statfs_t
	if unix.Statfs(b.Dir, &disk) == nil {
		w.before = disk.Ffree
	}
	return w
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := w.lookAtDisk()
			if err == nil && w.init.Load() > 1 {
				err = w.look(path.Join("/proc", strconv.FormatInt(w.init.Load(), 10), "root"))
			}
			if err != nil {
				w.cancel(err)
				return
			}
		}
	}
}

// lookAtDisk returns which bound of the disk was reached. Files that others make there in the meantime count, too.
func (w *watch) lookAtDisk() error {
	var disk unix.Statfs_t
	if unix.Statfs(w.dir, &disk) == nil && disk.Ffree < w.before && w.before-disk.Ffree > w.files {
		return fmt.Errorf("more than %d files were made at %s", w.files, w.dir)
	}
	return CheckDisk(w.dir)
}

// look returns which bound was reached by the sandbox whose file tree is at root. What cannot be read is gone already.
func (w *watch) look(root string) error {
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		var disk unix.Statfs_t
		if unix.Statfs(root+dir, &disk) == nil && disk.Type == unix.TMPFS_MAGIC && disk.Files-disk.Ffree > w.files {
			return fmt.Errorf("it made more than %d files in %s", w.files, dir)
		}
	}
	proc, err := os.Open(root + "/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	procs := slices.DeleteFunc(names, func(name string) bool { return name[0] < '1' || name[0] > '9' })
	if len(procs) > w.procs { // said first: to read of each what it has takes long in a fork bomb
		return fmt.Errorf("it started more than %d processes", w.procs)
	}
	memory := int64(0)
	for _, name := range procs {
		if memory += ownMemory(path.Join(root, "proc", name, "status")); memory > w.memory {
			return fmt.Errorf("its processes took more than %d MiB of memory together", w.memory>>20)
		}
	}
	return nil
}

// ownMemory is what a process has for itself, in bytes: not what it reads from files.
func ownMemory(status string) (bytes int64) {
	text, _ := os.ReadFile(status) // nothing, if it just ended
	for line := range strings.Lines(string(text)) {
		field, value, _ := strings.Cut(line, ":")
		if field != "RssAnon" && field != "RssShmem" {
			continue
		}
		if kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64); err == nil {
			bytes += kib << 10
		}
	}
	return bytes
}

// CheckDisk returns an ENOSPC when the disk of dir has next to no room for bytes or for files.
func CheckDisk(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("stat disk of build folder: %w", err)
	}
	return hasRoom(disk, dir)
}

func hasRoom(disk unix.Statfs_t, dir string) error {
	if free := disk.Bavail * uint64(disk.Bsize); free < minFree {
		return fmt.Errorf("only %d MiB free for builds at %s: %w", free>>20, dir, syscall.ENOSPC)
	}
	if disk.Files > 0 && disk.Ffree < minInodes { // some file systems count none
		return fmt.Errorf("only %d more files can be made at %s: %w", disk.Ffree, dir, syscall.ENOSPC)
	}
	return nil
}
