package kbuild

import (
	"os/exec"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// GitState returns the commit that dir's work tree stands on, and whether dir differs from it. It is nil when dir is in
// no work tree, has no commit yet, or git is not installed: where a source comes from is worth recording, not worth failing for.
func GitState(dir string) *results.Git {
	commit, err := git(dir, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return nil
	}
	changes, err := git(dir, "status", "--porcelain", "--", ".")
	if err != nil {
		return nil
	}
	return &results.Git{Commit: strings.TrimSpace(commit), Dirty: changes != ""}
}

// git runs one read-only git command. A stranger's work tree may name programs to run in its configuration: the
// only one that these commands would start is switched off.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "core.fsmonitor=false", "--no-optional-locks"}, args...)...)
	out, err := cmd.Output()
	return string(out), err
}
