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

// The kernel starts modprobe for what it lacks: "/sbin/modprobe -q -- NAME" (Linux kernel/module/kmod.c, call_modprobe).
// In a guest that is this very program. It loads nothing: what the kernel is to have was loaded before the module under
// test, so that it is not taken for something that this one left behind. It only answers whether NAME is of that, and
// has PID 1 tell the host of all that is not.
const modprobePath = "/sbin/modprobe"

// Where the two processes meet: the names that are there, a line each; a pipe for names that are not; and one for a
// byte that says that the host knows.
const (
	askedFile = "given"
	askPipe   = "ask"
	toldPipe  = "told"
	askDir    = "/run/modprobe"
)

// askTime is how long modprobe waits until the host knows. The kernel waits for modprobe, and may be dead right after.
const askTime = 2 * time.Second

// isModprobe tells by its arguments whether this process is what the kernel started.
func isModprobe(args []string) bool { return len(args) > 0 && filepath.Base(args[0]) == "modprobe" }

// modprobe is what that process does; it gives the exit code.
func modprobe(dir string, args []string) int {
	name := args[len(args)-1]
	text, _ := os.ReadFile(filepath.Join(dir, askedFile)) // most guests have none
	if name != "" && slices.Contains(strings.Split(string(text), "\n"), name) {
		return 0
	}
	if wire.IsRequest(name) {
		ask(dir, name)
	}
	return 1
}

// ask passes name to PID 1, and waits until it is through with it.
func ask(dir, name string) {
	told, err := unix.Open(filepath.Join(dir, toldPipe), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	to, err := unix.Open(filepath.Join(dir, askPipe), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	if _, err := unix.Write(to, []byte(name+"\n")); err != nil { // whole: it is shorter than PIPE_BUF
		return
	}
	for end := time.Now().Add(askTime); time.Now().Before(end); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(told), Events: unix.POLLIN}}, int(askTime.Milliseconds()))
		if err != nil || n == 0 {
			continue
		}
		if _, err := unix.Read(told, make([]byte, 1)); err != unix.EAGAIN { // else it was another's, who was quicker
			return
		}
	}
}

// requests are the kernel's, as PID 1 takes them. The zero value takes none.
type requests struct {
	mu    sync.Mutex
	told  map[string]bool // names, in this round; nil once the guest is at its end
	asked *os.File
	done  *os.File
}

// openRequests makes all that does not depend on the plan. Until answer is called, the kernel finds no modprobe.
func openRequests(dir string) (*requests, error) {
	r := &requests{told: map[string]bool{}}
	err := os.MkdirAll(dir, 0o755)
	for name, file := range map[string]**os.File{askPipe: &r.asked, toldPipe: &r.done} {
		path := filepath.Join(dir, name)
		if err == nil {
			err = unix.Mkfifo(path, 0o600)
		}
		if err == nil { // for both, so that it is never at its end
			*file, err = os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make the pipes of modprobe: %w", err)
	}
	return r, nil
}

// answer has the kernel find modprobe, which says yes to names.
func (r *requests) answer(names []string) error {
	if err := os.WriteFile(filepath.Join(askDir, askedFile), []byte(strings.Join(names, "\n")), 0o644); err != nil {
		return fmt.Errorf("note what modprobe says yes to: %w", err)
	}
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte(modprobePath), 0) // a kernel without modules has no such file
	return r.place(modprobePath)
}

// place makes program one more name of this process's.
func (r *requests) place(program string) error {
	self, err := os.Readlink("/proc/self/exe")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(program), 0o755)
	}
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err != nil {
		return fmt.Errorf("put modprobe in its place: %w", err)
	}
	return nil
}

// renew has all told again: what one round's suite lacked, the next one's may lack too.
func (r *requests) renew() {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = map[string]bool{}
	}
}

// serve passes each name to tell once in a round, up to a bound, and lets everybody go who asked.
func (r *requests) serve(tell func(name string)) {
	for lines := bufio.NewScanner(r.asked); lines.Scan(); {
		r.take(lines.Text(), tell)
		_, _ = r.done.Write([]byte{'\n'})
	}
}

func (r *requests) take(name string, tell func(name string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told != nil && !r.told[name] && len(r.told) < wire.MaxWanted && wire.IsRequest(name) {
		r.told[name] = true
		tell(name)
	}
}

// end has nothing told any more: the guest's last frame must be the last.
func (r *requests) end() {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = nil
	}
}
