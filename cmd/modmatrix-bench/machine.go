package main

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

// Machine is where the figures are from: without it they say nothing.
type Machine struct {
	Time        time.Time `json:"time"`
	CPU         string    `json:"cpu"`
	Cores       int       `json:"cores"`
	MemoryMiB   int64     `json:"memory_mib"`
	Kernel      string    `json:"kernel"` // of the host, as uname -r
	QEMU        string    `json:"qemu"`
	Accelerator string    `json:"accelerator"` // and the processor that guests see
	Load        float64   `json:"load"`        // before anything was measured, average of a minute
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d MiB, Linux %s, QEMU %s with %s, load %.1f at the start, %s",
		m.CPU, m.Cores, m.MemoryMiB, m.Kernel, m.QEMU, cmp.Or(m.Accelerator, "no guest started"), m.Load, m.Time.Format(time.RFC3339))
}

// look describes this machine; what /proc does not tell stays empty.
func look(ctx context.Context) (Machine, error) {
	qemu, err := vm.QEMUVersion(ctx, vm.HostArch())
	if err != nil {
		return Machine{}, err
	}
	total, _ := strconv.ParseInt(strings.TrimSuffix(field(read("/proc/meminfo"), "MemTotal"), " kB"), 10, 64)
	return Machine{Time: time.Now().UTC().Truncate(time.Second), CPU: field(read("/proc/cpuinfo"), "model name"),
		Cores: runtime.NumCPU(), MemoryMiB: total >> 10, Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		QEMU: qemu, Load: load()}, nil
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// field gives the value of the first line "name : value" of text, as the files of /proc have them.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// load is the average of the last minute: figures taken on a busy machine say so.
func load() float64 {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}
