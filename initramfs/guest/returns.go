package guest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// returns knows which of some threads return from system calls: the kernel traces that (Linux Documentation/trace/events.rst),
// in an instance of its own, so that suites can trace what they like.
type returns struct {
	dir    string // of the instance; it is there only while something is traced
	traced string // the threads
	failed bool   // this kernel cannot
}

const sysExit = "events/raw_syscalls/sys_exit/enable"

// trace follows these threads from now on, and no others.
func (r *returns) trace(tids []int) {
	var list []string
	for _, tid := range tids {
		list = append(list, strconv.Itoa(tid))
	}
	wanted := strings.Join(list, " ")
	if wanted == r.traced || r.failed {
		return
	}
	r.traced = wanted
	if wanted == "" {
		_ = r.write(sysExit, "0")
		_ = os.Remove(r.dir)
		return
	}
	_ = os.Mkdir(r.dir, 0o755) // where it cannot be made, nothing can be written
	r.failed = errors.Join(r.write("buffer_size_kb", "64"), r.write("set_event_pid", wanted), r.write(sysExit, "1")) != nil
}

// read returns the threads that have returned since it was called last. Where that is not known, ok is false.
func (r *returns) read() (back map[int]bool, ok bool) {
	if r.traced == "" || r.failed {
		return nil, false
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "trace"))
	err = errors.Join(err, r.write("trace", "")) // clears it
	return parseTrace(string(text)), err == nil
}

func (r *returns) write(name, text string) error {
	return os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0)
}

// parseTrace returns the threads of a trace's lines: "  fifo test-71  [000] .....  12.345678: sys_exit: NR 16 = 0".
func parseTrace(text string) map[int]bool {
	tids := map[int]bool{}
	for line := range strings.Lines(text) {
		task, _, _ := strings.Cut(line, " [")
		if tid, err := strconv.Atoi(strings.TrimSpace(task[strings.LastIndexByte(task, '-')+1:])); err == nil {
			tids[tid] = true
		}
	}
	return tids
}
