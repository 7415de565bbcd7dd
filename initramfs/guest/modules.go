package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// loadBase loads the modules in dir in the order of their names, and returns the errors.
func loadBase(dir string) (trouble []string) {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.ko")) // only a bad pattern is an error
	for _, path := range paths {
		if err := loadDependency(path); err != nil {
			trouble = append(trouble, err.Error())
		}
	}
	return trouble
}

// loadDependency is loadDependency, and notes what is to be unloaded again on a machine that is not ours.
func (g *guest) loadDependency(path string) error {
	err := loadDependency(path)
	if name := moduleOf(path); g.here != nil && err == nil && !slices.Contains(g.here.brought, name) && !slices.Contains(g.here.present, name) {
		g.here.brought = append(g.here.brought, name)
	}
	return err
}

// moduleOf is the name of the module whose file is at path. Those of other packages are numbered.
func moduleOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".ko")
	if filepath.Base(filepath.Dir(path)) == "depends" {
		_, name, _ = strings.Cut(name, "-")
	}
	return wire.ModuleName(name)
}

// loadDependency loads a module of the kernel's own, unless it is loaded already.
func loadDependency(path string) error {
	err := finit(path, "")
	if err == nil || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return fmt.Errorf("load dependency %s: %w", filepath.Base(path), err)
}

// finit is finit_module. Its error is the kernel's unix.Errno, or another one if the file cannot be opened.
func finit(path, args string) error {
	f, err := os.Open(path)
	if err != nil {
		return errors.New(err.Error()) // its errno is not that of finit_module
	}
	defer f.Close()
	withoutSignals(func() { err = unix.FinitModule(int(f.Fd()), args, 0) })
	return err
}

// busyTime is how long a busy module is retried: RCU or a work queue may drop its last reference late.
const busyTime = 500 * time.Millisecond

// unload unloads what is loaded of the modules under test, the last first. One that is in use has another turn when others have gone:
// the kernel may have asked for it before the one that uses it.
func (g *guest) unload() {
	g.under.setOpen(false)
	left := g.under.list()
	slices.Reverse(left)
	for progress := true; progress; {
		progress = false
		left = slices.DeleteFunc(left, func(name string) bool {
			err := g.removePatiently(name)
			if err == unix.EWOULDBLOCK {
				return false
			}
			progress = len(left) > 1
			g.reportUnload(name, err)
			return true
		})
	}
	for _, name := range left {
		g.reportUnload(name, unix.EWOULDBLOCK)
	}
}

func (g *guest) reportUnload(name string, err error) {
	errno, _ := err.(unix.Errno)
	g.send(wire.Frame{Kind: wire.KindUnload, Module: name, Errno: int(errno)})
}

func (g *guest) removePatiently(name string) error {
	err := remove(name)
	for start := time.Now(); err == unix.EWOULDBLOCK && time.Since(start) < busyTime; err = remove(name) {
		time.Sleep(busyTime / 10)
	}
	return err
}

// remove is delete_module. It does not wait for users to go.
func remove(name string) (err error) {
	withoutSignals(func() { err = unix.DeleteModule(name, unix.O_NONBLOCK) })
	return err
}

// calls are the threads of PID 1 that are in finit_module or delete_module.
var calls sync.Map

// died reports whether the kernel has ended one of them: an oops in a module's init takes the thread with it, and nobody is told.
func died(proc string) (tid int, dead bool) {
	calls.Range(func(key, _ any) bool {
		tid = key.(int)
		stat, ok := readStat(filepath.Join(proc, "self/task", strconv.Itoa(tid)))
		_, still := calls.Load(tid) // it may have returned meanwhile
		dead = still && (!ok || stat.state == 'Z' || stat.state == 'X')
		return !dead
	})
	return tid, dead
}

// withoutSignals runs f on a thread with all signals blocked. A module that sleeps interruptibly while it is loaded would
// otherwise be woken by those of Go's runtime and by SIGCHLD, and fail as it never does under insmod(8).
func withoutSignals(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread, and its signal mask, end with the goroutine
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i] = ^all.Val[i]
		}
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil) // fails for bad pointers only
		tid := unix.Gettid()
		calls.Store(tid, nil)
		defer calls.Delete(tid)
		f()
	}()
	<-done
}
