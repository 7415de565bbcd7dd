package suites

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// ErrNoKernelConfig says that there is neither a /proc/config.gz nor a config in the payload.
var ErrNoKernelConfig = errors.New("the kernel's configuration is not known")

// configPath is where the host may put the target's .config: few distributions enable /proc/config.gz.
const configPath = wire.PayloadDir + "/config"

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
