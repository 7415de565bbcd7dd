package kbuild

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// TrySandbox says whether a module could be built in a sandbox here, by running one.
func TrySandbox(ctx context.Context) (string, error) {
	path, err := exec.LookPath("bwrap")
	if err != nil {
		return "", errors.New("bwrap is missing: apt install bubblewrap")
	}
	out, err := exec.CommandContext(ctx, path, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--", "/bin/true").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("bwrap cannot make a sandbox: %s; are unprivileged user namespaces switched off (sysctl kernel.unprivileged_userns_clone)?",
			strings.TrimSpace(string(out)))
	}
	return path, nil
}
