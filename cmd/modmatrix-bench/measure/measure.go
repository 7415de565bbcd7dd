// Package measure is what the benchmark and the comparison with dkms share: samples and their medians, the machine that
// they were taken on, and the file they are saved in. It must never know what is measured.
package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/modmatrix/modmatrix/vm"
)

// InTurn takes as many samples of both, in seconds, in turn and in swapped order: neither always finds the other's caches.
func InTurn(pairs int, one, other func() (float64, error)) (ones, others []float64, err error) {
	for i := range 2 * pairs {
		take, samples := one, &ones
		if i%4 == 1 || i%4 == 2 {
			take, samples = other, &others
		}
		took, err := take()
		if err != nil {
			return nil, nil, err
		}
		*samples = append(*samples, took)
	}
	return ones, others, nil
}

// Median of samples, which stay in their order; zero without any.
func Median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Ratio of two medians; zero when either side was not measured.
func Ratio(one, other []float64) float64 {
	if b := Median(other); b != 0 {
		return Median(one) / b
	}
	return 0
}

// Sum of samples.
func Sum(samples []float64) (total float64) {
	for _, s := range samples {
		total += s
	}
	return total
}

// Save writes v to the file as JSON, whole or not at all. Without a file it does nothing.
func Save(file string, v any) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o644)
}

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
