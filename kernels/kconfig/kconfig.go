// Package kconfig reads a kernel's .config. It must never know where the kernel comes from.
package kconfig

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
)

// Config is a kernel's configuration: symbol without CONFIG_ to value as it is written, quotes removed.
// Symbols that are not set are absent. The zero value is a configuration with nothing set.
type Config struct {
	values map[string]string
	digest string
}

// Parse reads a .config. Lines it does not know are ignored, as the kernel's own reader does
// (Linux scripts/kconfig/confdata.c).
func Parse(text string) Config {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		name, config := strings.CutPrefix(name, "CONFIG_")
		if !ok || !config || name == "" || value == "n" {
			continue
		}
		values[name] = strings.Trim(value, `"`)
	}
	return Config{values, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))}
}

// Open reads the .config at path.
func Open(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(string(text)), nil
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
