package initramfs

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// GoVersion gives the version of the go command that images and suites are compiled with.
func GoVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("no go command on PATH: install Go 1.26 or later")
	}
	if err != nil {
		return "", fmt.Errorf("ask go for its version: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
