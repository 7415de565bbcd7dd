package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// here is what is known of a machine that is not this program's own: the one that runs it, whose running kernel is under test. There this
// program is no PID 1, and never acts as one: it mounts nothing, switches nothing off, ends no process but those that it started, and
// leaves no setting changed.
type here struct {
	proc, sys string // where these are mounted
	lockPath  string
	boot      string // the kernel's name for this boot
	log       *kernelLog
	mu        sync.Mutex
	journal   *os.File // nil until something is to be done
	first     uint64   // the taint before anything was
	settings  map[string]string
	present   []string // the modules that were loaded before
	brought   []string // of the kernel's own modules, those that were loaded for this
	leaving   sync.Once
}

// The exit codes of Here. An end in order is zero, whatever came of the module.
const (
	exitBailed = 3 // nobody listens any more: what could be undone was
	exitDied   = 4 // the kernel ended the thread that loaded or unloaded
	exitStuck  = 5 // a load or unload does not return
)

// Here does on the machine that runs it what Main does in a guest, with the payload in dir, and returns the exit code. Frames go to
// standard output; once standard input ends, it undoes what it can and ends.
func Here(dir string) int {
	g := newGuest(places{filepath.Join(dir, "plan.json"), filepath.Join(dir, "run"), filepath.Join(dir, "tmp"), filepath.Join(dir, "home"),
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
	g.here = &here{proc: "/proc", sys: "/sys", lockPath: "/run/modmatrix-here.lock", settings: map[string]string{}}
	in, out, err := g.takePipes()
	if err != nil {
		fmt.Fprintln(os.Stderr, "modmatrix:", err)
		return exitBailed
	}
	g.port, g.epoch = &port{fd: out}, sinceBoot() // the machine was up for long
	g.reaper.kill = func() { killDescendants("/proc", os.Getpid()) }
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // what a suite leaves behind stays below this process
	go g.guard(func() { g.watchInput(in) })
	g.guard(g.run)
	return 0
}

// takePipes keeps standard input and output for itself. What else reads or prints in this process and its children does not meet them.
func (g *guest) takePipes() (in *os.File, out int, err error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		out, err = unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	}
	null, openErr := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err = errors.Join(err, openErr); err == nil {
		err = errors.Join(unix.Dup3(null, 0, 0), unix.Dup3(2, 1, 0))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("take over the pipes to modmatrix: %w", err)
	}
	return os.NewFile(uintptr(fd), "standard input"), out, nil
}

// watchInput bails out once nobody is there any more: at the end of in, or by a signal. The keys of the terminal are meant for others.
func (g *guest) watchInput(in io.Reader) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		signals <- syscall.SIGTERM
	}()
	for s := range signals {
		if s == syscall.SIGTERM || s == syscall.SIGHUP {
			g.bail()
		}
	}
}

// bailTime is how long a load or unload that is under way may still take, once nobody waits for it.
const bailTime = 3 * time.Second

// bail undoes what was done so far, as well as that can be, and ends this process. It does not return.
func (g *guest) bail() {
	g.here.leaving.Do(func() {
		g.under.halt()
		g.reaper.killAll()
		for start := time.Now(); callsUnderWay(); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > bailTime {
				os.Exit(exitStuck)
			}
		}
		g.removeAll()
		g.putBack()
		g.here.forget()
		os.Exit(exitBailed)
	})
	select {}
}

func callsUnderWay() (some bool) {
	calls.Range(func(any, any) bool { some = true; return false })
	return some
}

// settleIn looks whether anything may be loaded into this kernel at all, and prepares that. False: it may not, which was reported.
func (g *guest) settleIn() bool {
	h := g.here
	err := h.fit(g.plan)
	if err == nil {
		err = errors.Join(os.MkdirAll(g.places.run, 0o700), os.MkdirAll(g.places.home, 0o700), h.emptyTmp(g.places))
	}
	var fd int
	if err == nil {
		h.set("sys/kernel/printk_devkmsg", "on") // refused where the command line sets it
		g.kmsg, err = openKmsg()
	}
	if err == nil {
		h.log, fd, err = openKernelLog(func(lines string) { g.send(wire.Frame{Kind: wire.KindLog, Text: lines}) })
	}
	if err != nil {
		h.restore()
		g.fail("%v", err)
		return false
	}
	h.first, _ = h.taint()
	h.present = lines(filepath.Join(h.proc, "modules"), first)
	go g.guard(func() { h.log.follow(fd) })
	go g.guard(g.mourn)
	return true
}

// mourn ends this process when the kernel has ended a thread of it in an oops: the module's call never returns, and nothing that this
// kernel does from now on proves anything.
func (g *guest) mourn() {
	for range time.Tick(pulse / 4) {
		if _, dead := died(g.here.proc); !dead {
			continue
		}
		time.Sleep(pulse) // for the rest of the report
		g.taint(*g.stageName.Load())
		g.here.log.close()
		g.putBack()
		os.Exit(exitDied)
	}
}

// fell reports whether the kernel has gone wrong in a way that makes all that follows worthless. A guest ends there by itself.
func (g *guest) fell() bool { return g.here != nil && g.tainted.Load()&^g.here.first&deadly != 0 }

// deadly are the taints of a kernel that is no longer itself: B bad page, D died, L soft lockup (Linux include/linux/panic.h).
const deadly = 1<<5 | 1<<7 | 1<<14

// announce writes down what is about to be done, and returns when it is on the disk: the machine may not survive it.
func (g *guest) announce(spec string) {
	h := g.here
	if h == nil || len(g.plan.Modules) == 0 || g.plan.Here == nil {
		return
	}
	stage := *g.stageName.Load()
	if stage != wire.StageLoad && stage != wire.StageTest && stage != wire.StageUnload {
		return
	}
	d := wire.Doing{Boot: h.boot, Time: time.Now().UTC(), Nonce: g.plan.Nonce, Label: g.plan.Here.Label, Release: g.release(), Source: g.plan.Here.Source,
		Modules: g.shown, Stage: stage, Spec: spec}
	if name := g.suite.Load(); name != nil {
		d.Suite = *name
		if i := slices.IndexFunc(g.plan.Suites, func(s wire.Suite) bool { return s.Name == *name }); i >= 0 {
			d.Only = g.plan.Suites[i].Only
		}
	}
	if err := h.write(g.plan.Here.Journal, d); err != nil {
		g.fail("write down what is done to this machine, before it is: %v", err)
		g.bail()
	}
}

func (h *here) write(path string, d wire.Doing) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.journal == nil {
		syncDisks()
		if h.journal, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644); err != nil {
			return err
		}
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	line, err := d.Encode()
	if err == nil {
		_, err = h.journal.Write(line)
	}
	if err == nil {
		err = h.journal.Sync()
	}
	return err
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// forget removes the journal: the machine is still there.
func (h *here) forget() {
	if h.journal != nil {
		_ = os.Remove(h.journal.Name())
	}
}

// leave puts everything back, as far as this kernel is still itself.
func (g *guest) leave() {
	h := g.here
	if !g.fell() {
		for _, name := range slices.Backward(h.brought) {
			_ = remove(name) // another may use it by now
		}
	}
	g.putBack()
	h.log.close()
	h.forget()
}

// putBack removes what was only there for this process, and restores settings.
func (g *guest) putBack() {
	g.here.restore()
	if dir := g.watch.returns.dir; dir != "" {
		_ = os.WriteFile(filepath.Join(dir, sysExit), []byte("0"), 0)
		_ = os.Remove(dir)
	}
	for _, dir := range []string{g.places.run, g.places.tmp, g.places.home} {
		_ = os.RemoveAll(dir)
	}
}

// set changes a setting of the machine until restore.
func (h *here) set(name, value string) {
	path := filepath.Join(h.proc, name)
	before, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(before)) != value && os.WriteFile(path, []byte(value+"\n"), 0) == nil {
		h.settings[path] = string(before)
	}
}

func (h *here) restore() {
	for path, value := range h.settings {
		_ = os.WriteFile(path, []byte(value), 0)
	}
}

// emptyTmp makes a new folder for temporary files.
func (h *here) emptyTmp(p places) error {
	return errors.Join(os.RemoveAll(p.tmp), os.MkdirAll(p.tmp, 0o700))
}

// killDescendants kills what self has started, and what that has. What escapes, being started meanwhile, is killed by the next call.
func killDescendants(proc string, self int) {
	w := watch{proc: proc, self: self}
	for _, pid := range w.watched() {
		if pid != self {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
