package kbuild

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

// BareMake runs the make that Build would run for r, as a person who stands in the root would: no copy of the source, no
// limits, no log, no proof, and no sandbox but for what it takes to stand there. It returns how long make itself took. It is
// what Build is measured against, and nothing else: r.Dir holds the source already and is written to. r.Log hears make.
func BareMake(ctx context.Context, r Request) (time.Duration, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	v, err := lookAt(r.Tree)
	if err != nil {
		return 0, err
	}
	args := []string{"--unshare-pid", "--die-with-parent", "--clearenv"}
	for _, e := range slices.Concat(sandbox.Environment, environment) {
		args = append(args, "--setenv", e[0], e[1])
	}
	args = append(args, v.Args()...)
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", r.Dir, guestBuild, "--",
		"sh", "-c", `t=$(date +%s%N); "$@" >&2; e=$?; echo $(($(date +%s%N) - t))ns; exit $e`, "sh")
	args = append(args, append(makeCommand(r), withoutBTF(v, r.Tree)...)...)
	cmd := exec.CommandContext(ctx, "bwrap", args...)
	cmd.Stderr = r.Log
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("bare make for %s: %w", r.Tree.Target.Release, err)
	}
	return time.ParseDuration(strings.TrimSpace(string(out)))
}
