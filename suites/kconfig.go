package suites

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// ErrNoKernelConfig says that the kernel's configuration is not known: there is no /proc/config.gz, and no config in the
// payload.
var ErrNoKernelConfig = errors.New("the kernel's configuration is not known")

// configPath is where the host may put the target's .config: few distributions enable /proc/config.gz.
const configPath = wire.PayloadDir + "/config"

// KernelConfig is the value of a configuration symbol, with or without CONFIG_: "y", "m", a number, a string without its
// quotes, and "" for one that is not set. The error is ErrNoKernelConfig where the configuration is not known.
func KernelConfig(symbol string) (value string, err error) {
	text, err := openConfig("/proc/config.gz", configPath)
	if err == nil {
		defer text.Close()
		value, err = configValue(text, symbol)
	}
	if err != nil {
		return "", fmt.Errorf("read kernel config: %w", err)
	}
	return value, nil
}

// openConfig opens the kernel's own, else the host's file.
func openConfig(own, given string) (io.ReadCloser, error) {
	f, err := os.Open(own)
	if err == nil {
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return struct {
			io.Reader
			io.Closer
		}{unpacked, f}, nil
	}
	f, err = os.Open(given)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKernelConfig
	}
	return f, err
}

func configValue(text io.Reader, symbol string) (string, error) {
	prefix := "CONFIG_" + strings.TrimPrefix(symbol, "CONFIG_") + "="
	scan := bufio.NewScanner(text)
	scan.Buffer(nil, 1<<20)
	value := ""
	for scan.Scan() {
		if rest, ok := strings.CutPrefix(scan.Text(), prefix); ok {
			value = strings.Trim(rest, `"`)
		}
	}
	return value, scan.Err()
}
