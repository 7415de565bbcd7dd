package kbuild

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// BareMake runs the make that Build would run for r, as a person who stands in the root would: no copy of the source, no
// limits, no log, no proof, and no sandbox but for what it takes to stand there. It tells how long make itself took. It is
// what Build is measured against, and nothing else: r.Dir holds the source already and is written to.
func BareMake(ctx context.Context, r Request) (time.Duration, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	v, err := layout(r.Tree.Root, r.Tree.Mounts)
	if err != nil {
		return 0, fmt.Errorf("lay out root for %s: %w", r.Tree.Target.Release, err)
	}
	args := append(slices.Clone(v.args), "--die-with-parent", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", r.Dir, guestBuild, "--",
		"sh", "-c", `t=$(date +%s%N); "$@" >&2; e=$?; echo $(($(date +%s%N) - t))ns; exit $e`, "sh")
	command := append(makeCommand(r), withoutBTF(v, r.Tree)...)
	out, err := exec.CommandContext(ctx, "bwrap", append(args, command...)...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return 0, fmt.Errorf("make for %s: %w: %s", r.Tree.Target.Release, err, exit.Stderr)
	} else if err != nil {
		return 0, fmt.Errorf("make for %s: %w", r.Tree.Target.Release, err)
	}
	return time.ParseDuration(strings.TrimSpace(string(out)))
}
