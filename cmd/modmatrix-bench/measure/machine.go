package measure

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// Machine is where figures are from: without it they mean nothing.
type Machine struct {
	Time        time.Time `json:"time"`
	CPU         string    `json:"cpu"`
	Cores       int       `json:"cores"`
	MemoryMiB   int64     `json:"memory_mib"`
	Kernel      string    `json:"kernel"` // of the host, as uname -r
	QEMU        string    `json:"qemu"`
	Accelerator string    `json:"accelerator"` // with the processor that guests see
	Load        float64   `json:"load"`        // before anything was measured, average of a minute
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d MiB, Linux %s, QEMU %s with %s, load %.1f at the start, %s",
		m.CPU, m.Cores, m.MemoryMiB, m.Kernel, m.QEMU, cmp.Or(m.Accelerator, "no guest started"), m.Load, m.Time.Format(time.RFC3339))
}

// Look describes this machine; what /proc does not hold stays empty.
func Look(ctx context.Context) (Machine, error) {
	qemu, err := vm.QEMUVersion(ctx, vm.HostArch())
	if err != nil {
		return Machine{}, err
	}
	return Machine{Time: time.Now().UTC().Truncate(time.Second), CPU: Field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		MemoryMiB: max(KiB("/proc/meminfo", "MemTotal"), 0) >> 10, Kernel: read("/proc/sys/kernel/osrelease"), QEMU: qemu, Load: Load()}, nil
}

// Load is the average of the last minute: figures taken on a busy machine show it.
func Load() float64 {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}

// Field returns the value of the first line "name : value" of a file of /proc; empty when there is none.
func Field(file, name string) string {
	for line := range strings.Lines(read(file)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// KiB is a Field that counts kB; -1 when there is none.
func KiB(file, name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(Field(file, name), " kB"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return strings.TrimSpace(string(data))
}
