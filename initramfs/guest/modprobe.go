package guest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// The kernel runs modprobe for what it lacks: "/sbin/modprobe -q -- NAME" (kernel/module/kmod.c, call_modprobe), which is this
// program. It has PID 1 answer. Of the kernel's own modules nothing is loaded now: what the plan has for the kernel was loaded before
// the module under test, lest it is taken for a leftover of it.
const modprobePath = "/sbin/modprobe"

// The files between the two processes: a pipe for names, and one for the answer to each process that asks, called by its number.
const (
	requestDir = "/run/modprobe"
	namePipe   = "names"
)

// The answers. Whoever is told to wait has asked for a module under test, whose init may take its time.
const (
	answerWait = 'w'
	answerYes  = 'y'
	answerNo   = 'n'
)

// ackTime is how long modprobe waits to be heard. The kernel waits for modprobe, and may be dead right after.
const ackTime = 2 * time.Second

// isModprobe says by its arguments whether the kernel started this process as modprobe.
func isModprobe(args []string) bool { return len(args) > 0 && filepath.Base(args[0]) == "modprobe" }

// modprobe is that process; it returns the exit code.
func modprobe(dir string, args []string) int {
	name := args[len(args)-1]
	if wire.IsRequest(name) && request(dir, name) {
		return 0
	}
	return 1
}

// request passes name to PID 1, and returns its answer.
func request(dir, name string) bool {
	id := strconv.Itoa(os.Getpid())
	path := filepath.Join(dir, id)
	names, err := os.OpenFile(filepath.Join(dir, namePipe), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil || unix.Mkfifo(path, 0o600) != nil {
		return false
	}
	defer os.Remove(path)
	answers, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0) // for writing too, so that there is no end of file
	if err != nil {
		return false
	}
	if _, err := names.WriteString(id + " " + name + "\n"); err != nil { // atomic, being shorter than PIPE_BUF
		return false
	}
	_ = answers.SetReadDeadline(time.Now().Add(ackTime))
	for answer := []byte{answerWait}; ; {
		if _, err := answers.Read(answer); err != nil || answer[0] != answerWait {
			return err == nil && answer[0] == answerYes
		}
		_ = answers.SetReadDeadline(time.Time{})
	}
}

// requests are the kernel's for modules, as PID 1 sees them.
type requests struct {
	dir      string
	mu       sync.Mutex
	reported map[string]bool // names, in this round; nil once nothing is to be reported any more
	names    *os.File
}

// openRequests creates the pipe for names. Until installModprobe is called, the kernel finds no modprobe.
func openRequests(dir string) (*requests, error) {
	r := &requests{dir: dir, reported: map[string]bool{}}
	path := filepath.Join(dir, namePipe)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = unix.Mkfifo(path, 0o600)
	}
	if err == nil { // for reading and writing, so that there is no end of file
		r.names, err = os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("create the pipe of modprobe: %w", err)
	}
	return r, nil
}

// installModprobe makes this program the kernel's modprobe.
func installModprobe() error {
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

// serve answers each request by what load returns for its name, in a flow of its own: what is loaded may ask for more.
func (r *requests) serve(start func(f func()), load func(name string) bool) {
	for lines := bufio.NewScanner(r.names); lines.Scan(); {
		id, name, _ := strings.Cut(lines.Text(), " ")
		pid, err := strconv.Atoi(id)
		if err != nil || !wire.IsRequest(name) {
			continue
		}
		start(func() {
			answers, err := os.OpenFile(filepath.Join(r.dir, strconv.Itoa(pid)), os.O_WRONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				return // it has gone
			}
			defer answers.Close()
			_, _ = answers.Write([]byte{answerWait})
			answer := byte(answerNo)
			if load(name) {
				answer = answerYes
			}
			_, _ = answers.Write([]byte{answer})
		})
	}
}

// once calls report for each name once in a round, up to a bound.
func (r *requests) once(name string, report func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reported != nil && !r.reported[name] && len(r.reported) < wire.MaxWanted {
		r.reported[name] = true
		report()
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
