package suites

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites/procfs"
)

// ReadSysfs returns a file under /sys without the newline at its end: ReadSysfs("class/misc/fifo/fill"). The path may be
// given in parts. When the driver refuses, the error wraps its unix.Errno.
func ReadSysfs(path ...string) (string, error) { return readText("/sys", path) }

// WriteSysfs writes value to a file under /sys in one write, as a driver's store function wants it.
// When the driver refuses, the error wraps its unix.Errno.
func WriteSysfs(value string, path ...string) error {
	f, err := OpenDevice(filepath.Join("/sys", filepath.Join(path...)), unix.O_WRONLY)
	if err != nil {
		return fmt.Errorf("write sysfs: %w", err)
	}
	_, err = io.WriteString(f, value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write sysfs: %w", err)
	}
	return nil
}

// ErrNoDebugfs says that the kernel has no debugfs, or that it could not be mounted.
var ErrNoDebugfs = errors.New("no debugfs at /sys/kernel/debug")

// ReadDebugfs returns a file in debugfs without the newline at its end. ErrNoDebugfs, a reason to Skip, says that there is none.
func ReadDebugfs(path ...string) (string, error) {
	var fs unix.Statfs_t
	const root = "/sys/kernel/debug"
	if err := unix.Statfs(root, &fs); err != nil || fs.Type != unix.DEBUGFS_MAGIC {
		return "", ErrNoDebugfs
	}
	return readText(root, path)
}

// ReadProc returns a file under /proc without the newline at its end: ReadProc("sys/kernel/tainted").
func ReadProc(path ...string) (string, error) { return readText("/proc", path) }

func readText(root string, path []string) (string, error) {
	// Not os.ReadFile: kernfs can poll, so Go would wait for ever on a driver that answers EAGAIN.
	f, err := OpenDevice(filepath.Join(root, filepath.Join(path...)), unix.O_RDONLY)
	var text []byte
	if err == nil {
		defer f.Close()
		text, err = io.ReadAll(f)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", strings.TrimPrefix(root, "/"), err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// ProcModules reads /proc/modules: the modules that are loaded, loading or unloading.
func ProcModules() ([]procfs.Module, error) { return readProc("/proc/modules", procfs.ParseModules) }

// ProcDevices reads /proc/devices: the registered major numbers.
func ProcDevices() (procfs.Devices, error) { return readProc("/proc/devices", procfs.ParseDevices) }

// ProcInterrupts reads /proc/interrupts.
func ProcInterrupts() ([]procfs.Interrupt, error) {
	return readProc("/proc/interrupts", procfs.ParseInterrupts)
}

// ProcIOMem reads /proc/iomem: who has claimed which physical addresses.
func ProcIOMem() ([]procfs.Region, error) { return readProc("/proc/iomem", procfs.ParseRegions) }

// ProcIOPorts reads /proc/ioports: who has claimed which ports.
func ProcIOPorts() ([]procfs.Region, error) { return readProc("/proc/ioports", procfs.ParseRegions) }

func readProc[T any](path string, parse func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return parse(f)
}

// ErrNoKernelConfig says that there is neither a /proc/config.gz nor a config in the payload.
var ErrNoKernelConfig = errors.New("the kernel's configuration is not known")

// configPath is where the host may put the target's .config: few distributions enable /proc/config.gz.
var configPath = filepath.Join(filepath.Dir(planPath), "config")

// KernelConfig is the value of a configuration symbol, with or without CONFIG_: "y", "m", a number, a string without its
// quotes, and "" for one that is not set. The error is ErrNoKernelConfig where the configuration is not known.
func KernelConfig(symbol string) (string, error) {
	text, err := readConfig("/proc/config.gz", configPath)
	if err != nil {
		return "", fmt.Errorf("read kernel config: %w", err)
	}
	return configValue(text, symbol), nil
}

func readConfig(own, given string) ([]byte, error) {
	f, err := os.Open(own)
	if err != nil {
		text, err := os.ReadFile(given)
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoKernelConfig
		}
		return text, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unpacked)
}

func configValue(text []byte, symbol string) (value string) {
	prefix := "CONFIG_" + strings.TrimPrefix(symbol, "CONFIG_") + "="
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			value = strings.Trim(rest, "\"\n")
		}
	}
	return value
}
