// Package kconfig reads a kernel's .config. It must never know where the kernel comes from.
package kconfig

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Config is a kernel's configuration: symbol without CONFIG_ to value as it is written, quotes removed.
// Symbols that are not set are absent. The zero value is a configuration with nothing set.
type Config struct {
	values map[string]string
	digest string
}

// maxLine bounds a line of a .config; the longest real ones are a few hundred bytes.
const maxLine = 1 << 20

// Parse reads a .config. Lines it does not know are ignored, as the kernel's own reader does
// (Linux scripts/kconfig/confdata.c).
func Parse(r io.Reader) (Config, error) {
	sum := sha256.New()
	scan := bufio.NewScanner(io.TeeReader(r, sum))
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	values := map[string]string{}
	for scan.Scan() {
		name, value, ok := strings.Cut(strings.TrimSpace(scan.Text()), "=")
		name, config := strings.CutPrefix(name, "CONFIG_")
		if !ok || !config || name == "" || value == "n" {
			continue
		}
		values[name] = strings.Trim(value, `"`)
	}
	if err := scan.Err(); err != nil {
		return Config{}, fmt.Errorf("read kernel config: %w", err)
	}
	return Config{values, "sha256:" + hex.EncodeToString(sum.Sum(nil))}, nil
}

// Open reads the .config at path.
func Open(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	return Parse(f)
}

// Value returns the value of symbol, given with or without CONFIG_, and "" when it is not set.
func (c Config) Value(symbol string) string {
	return c.values[strings.TrimPrefix(symbol, "CONFIG_")]
}

// Enabled reports whether symbol is built in or a module.
func (c Config) Enabled(symbol string) bool {
	v := c.Value(symbol)
	return v == "y" || v == "m"
}

// Len is how many symbols have a value.
func (c Config) Len() int { return len(c.values) }

// Digest is "sha256:…" of the file as read; empty for the zero value.
func (c Config) Digest() string { return c.digest }
