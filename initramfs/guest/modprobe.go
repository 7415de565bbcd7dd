package guest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// The kernel runs modprobe for what it lacks: "/sbin/modprobe -q -- NAME" (kernel/module/kmod.c, call_modprobe), which is this
// program. It loads nothing: what the plan has for the kernel was loaded before the module under test, lest it is taken for a
// leftover of it. It succeeds for the names of that, and has PID 1 report all others.
const modprobePath = "/sbin/modprobe"

// The files between the two processes: the names that were loaded; a pipe for others; one with a byte for each that was reported.
const (
	requestDir = "/run/modprobe"
	loadedFile = "loaded"
	namePipe   = "names"
	ackPipe    = "acks"
)

// ackTime is how long modprobe waits for the report. The kernel waits for modprobe, and may be dead right after.
const ackTime = 2 * time.Second

// isModprobe says by its arguments whether the kernel started this process as modprobe.
func isModprobe(args []string) bool { return len(args) > 0 && filepath.Base(args[0]) == "modprobe" }

// modprobe is that process; it returns the exit code.
func modprobe(dir string, args []string) int {
	name := args[len(args)-1]
	text, _ := os.ReadFile(filepath.Join(dir, loadedFile)) // most guests have none
	if name != "" && slices.Contains(strings.Split(string(text), "\n"), name) {
		return 0
	}
	if wire.IsRequest(name) {
		request(dir, name)
	}
	return 1
}

// request passes name to PID 1, and waits for its acknowledgement.
func request(dir, name string) {
	acks, err := os.OpenFile(filepath.Join(dir, ackPipe), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	names, err := os.OpenFile(filepath.Join(dir, namePipe), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	if _, err := names.WriteString(name + "\n"); err == nil { // atomic, being shorter than PIPE_BUF
		_ = acks.SetReadDeadline(time.Now().Add(ackTime))
		_, _ = acks.Read(make([]byte, 1))
	}
}

// requests are the kernel's for modules, as PID 1 sees them.
type requests struct {
	mu       sync.Mutex
	reported map[string]bool // names, in this round; nil once nothing is to be reported any more
	names    *os.File
	acks     *os.File
}

// openRequests creates the pipes. Until install is called, the kernel finds no modprobe.
func openRequests(dir string) (*requests, error) {
	r := &requests{reported: map[string]bool{}}
	err := os.MkdirAll(dir, 0o755)
	for name, file := range map[string]**os.File{namePipe: &r.names, ackPipe: &r.acks} {
		path := filepath.Join(dir, name)
		if err == nil {
			err = unix.Mkfifo(path, 0o600)
		}
		if err == nil { // for reading and writing, so that there is no end of file
			*file, err = os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create the pipes of modprobe: %w", err)
	}
	return r, nil
}

// install makes this program the kernel's modprobe, which succeeds for the loaded names.
func (r *requests) install(loaded []string) error {
	if err := os.WriteFile(filepath.Join(requestDir, loadedFile), []byte(strings.Join(loaded, "\n")), 0o644); err != nil {
		return fmt.Errorf("list what is loaded for modprobe: %w", err)
	}
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte(modprobePath), 0) // a kernel without modules has no such file
	return linkSelf(modprobePath)
}

func linkSelf(program string) error {
	self, err := os.Readlink("/proc/self/exe")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(program), 0o755)
	}
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err != nil {
		return fmt.Errorf("install modprobe: %w", err)
	}
	return nil
}

// serve reports each name once in a round, up to a bound, and acknowledges all.
func (r *requests) serve(report func(name string)) {
	for lines := bufio.NewScanner(r.names); lines.Scan(); {
		r.handle(lines.Text(), report)
		_, _ = r.acks.Write([]byte{'\n'})
	}
}

func (r *requests) handle(name string, report func(name string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reported != nil && !r.reported[name] && len(r.reported) < wire.MaxWanted && wire.IsRequest(name) {
		r.reported[name] = true
		report(name)
	}
}

// newRound lets all names be reported again.
func (r *requests) newRound() { r.reset(map[string]bool{}) }

// stop ends reporting: the guest's last frame must be the last.
func (r *requests) stop() { r.reset(nil) }

func (r *requests) reset(reported map[string]bool) {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reported = reported
	}
}
