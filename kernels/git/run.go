package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// limit is how long git may take to answer a question.
var limit = 2 * time.Minute

var tools = kernels.Tools{End: syscall.SIGKILL, Grace: 10 * time.Second}

// closed is the environment and are the options of a git that reads what a stranger made: it starts nothing, reaches nobody, writes
// nothing, and has no configuration but this one. It finds no program but git's own: a format in a file (export-subst) would start gpg,
// whatever is configured.
var closed = struct{ env, options []string }{
	[]string{"PATH=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=",
		"GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_LITERAL_PATHSPECS=1"},
	[]string{"--no-pager", "-c", "protocol.allow=never", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		"-c", "core.attributesFile=/dev/null", "-c", "core.commitGraph=false"},
}

// users are the beginnings of variables by which a user configures git; those that are not there tie it to a repository.
var users = []string{"GIT_ASKPASS=", "GIT_CONFIG_", "GIT_HTTP_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_"}

// start is git in this process's environment, of whose variables for git it has only those that begin with one of keep.
func start(ctx context.Context, keep, env, args []string) *exec.Cmd {
	cmd := tools.Command(ctx, "git", args...)
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_") && !slices.ContainsFunc(keep, func(p string) bool { return strings.HasPrefix(v, p) })
	})
	cmd.Env = slices.Concat(kept, []string{"LC_ALL=C", "GIT_TERMINAL_PROMPT=0"}, env)
	return cmd
}

// command is a git that reads the repository.
func (r *Repo) command(ctx context.Context, args ...string) *exec.Cmd {
	env := append([]string{"GIT_DIR=" + r.own, "GIT_OBJECT_DIRECTORY=" + filepath.Join(r.common, "objects")}, closed.env...)
	if r.top != "" {
		env = append(env, "GIT_WORK_TREE="+r.top)
	}
	cmd := start(ctx, nil, env, slices.Concat(closed.options, r.options, args))
	if r.top != "" {
		cmd.Dir = r.top
	}
	return cmd
}

// run answers what git prints to a question.
func (r *Repo) run(ctx context.Context, args ...string) (string, error) {
	return bounded(ctx, limit, func(ctx context.Context) *exec.Cmd { return r.command(ctx, args...) })
}

// bounded runs a git within a time.
func bounded(ctx context.Context, most time.Duration, command func(context.Context) *exec.Cmd) (string, error) {
	within, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	out, err := tools.Run(within, command(within))
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("git: no answer within %v", most)
	}
	return out, err
}

// settings reads the configuration in a repository's file, without what it includes, or the user's and the system's where file is
// empty. What cannot be read is empty.
func settings(ctx context.Context, file string) map[string]string {
	keep, env, args := users, []string{"GIT_DIR=/dev/null"}, []string{"config", "--list", "-z"}
	if file != "" {
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			return nil
		}
		keep, env, args = nil, append(env, closed.env...), append(args, "--no-includes", "--file", file)
	}
	out, _ := bounded(ctx, limit, func(ctx context.Context) *exec.Cmd { return start(ctx, keep, env, args) })
	all := map[string]string{}
	for setting := range strings.SplitSeq(out, "\x00") {
		key, value, ok := strings.Cut(setting, "\n")
		if !ok {
			value = "true"
		}
		all[key] = value
	}
	return all
}

// Clone makes a bare clone of the repository at url in dir, over the network and as the user's own configuration has it: url is what the
// user named, and the configuration of the repository there stays there. It asks nobody for a password.
func Clone(ctx context.Context, url, dir string) error {
	_, err := bounded(ctx, ArchiveLimit, func(ctx context.Context) *exec.Cmd {
		cmd := start(ctx, users, []string{"GIT_ALLOW_PROTOCOL=git:http:https:ssh"}, []string{"-c", "core.hooksPath=/dev/null",
			"clone", "--quiet", "--bare", "--template=", "--no-recurse-submodules", "--", url, dir})
		cmd.SysProcAttr.Setpgid = false // ssh may ask at the terminal, where only the foreground's programs may read
		cmd.Cancel = func() error { return cmd.Process.Kill() }
		return cmd
	})
	return err
}

// User is the name and the address that the user's own configuration has for commits; empty where it has none. No repository is asked.
func User(ctx context.Context) (name, mail string) {
	users := settings(ctx, "")
	return users["user.name"], users["user.email"]
}
