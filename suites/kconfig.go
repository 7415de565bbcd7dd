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

// ErrNoKernelConfig says that nothing tells how the kernel was configured: it has no /proc/config.gz, and no config came
// with the payload.
var ErrNoKernelConfig = errors.New("the kernel's configuration is not known")

// configPath is where the host may put the target's .config: few distributions build /proc/config.gz in.
const configPath = wire.PayloadDir + "/config"

// KernelConfig is the value of a configuration symbol, given with or without CONFIG_: "y", "m", a number, a text without
// its quotes, and "" for one that is not set. The error is ErrNoKernelConfig where nobody knows.
func KernelConfig(symbol string) (string, error) {
	text, err := openConfig("/proc/config.gz", configPath)
	if err != nil {
		return "", fmt.Errorf("read kernel config: %w", err)
	}
	defer text.Close()
	value, err := configValue(text, symbol)
	if err != nil {
		return "", fmt.Errorf("read kernel config: %w", err)
	}
	return value, nil
}

// openConfig opens the running kernel's own word, and the host's file where there is none.
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
