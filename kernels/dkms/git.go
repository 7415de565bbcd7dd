package dkms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// isDisk reports whether the disk is at fault rather than what is written to it.
func isDisk(err error) bool {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// gitName takes PATH@REV or URL@REV apart. A URL without a revision means its HEAD; a folder always has one.
func gitName(name string) (repository, rev string, ok bool) {
	repository, rev = name, "HEAD"
	if i := strings.LastIndexByte(name, '@'); i > 0 && !strings.ContainsAny(name[i:], "/:") {
		repository, rev = name[:i], name[i+1:]
	}
	switch {
	case rev == "" || strings.HasPrefix(rev, "-") || strings.HasPrefix(repository, "-"):
		return "", "", false
	case isURL(repository):
		return repository, rev, true
	}
	info, err := os.Stat(repository)
	return repository, rev, err == nil && info.IsDir() && repository != name
}

// isURL reports whether git would take the name for a repository elsewhere.
func isURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && (scheme == "https" || scheme == "http" || scheme == "git" || scheme == "ssh" || scheme == "file") ||
		strings.HasSuffix(name, ".git") && strings.Contains(name, "@") && strings.Contains(name, ":")
}

// openGit unpacks a revision of a repository. It is read from a bare clone of its own: unpacked from the repository itself, it
// would go through whatever programs that one's configuration names as filters.
func openGit(ctx context.Context, repository, rev, work string) (*Package, error) {
	given := repository + "@" + rev
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("git is not installed, and " + given + " is a revision of a repository: install the package git")
	}
	at := revision{name: rev}
	if !isURL(repository) {
		var err error
		if at, err = locate(ctx, repository, rev); err != nil {
			return nil, err
		}
		repository = at.top
	}
	clone := filepath.Join(work, "repository")
	if out, err := git(ctx, ".", "clone", "--quiet", "--bare", "--", repository, clone); err != nil {
		return nil, &kbuild.SourceError{Path: given, Problem: "cannot be cloned: " + lastLine(out), Cure: "clone it yourself and give PATH@REV"}
	}
	commit, err := git(ctx, clone, "rev-parse", "--verify", "--quiet", "--end-of-options", at.name+"^{commit}")
	if err != nil {
		return nil, noRevision(given, repository)
	}
	to := filepath.Join(work, "source")
	if err := os.Mkdir(to, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for source: %w", err)
	}
	p := &Package{Kind: Git, Source: to, Revision: strings.TrimSpace(string(commit))}
	if err := unpackFrom(gitCommand(ctx, clone, "archive", "--format=tar", p.Revision+":"+at.prefix), given, to, ""); err != nil {
		return nil, err
	}
	return p.look(given, work)
}

// revision is a commit and the folder in it that is meant.
type revision struct {
	name   string // the commit's
	top    string // the repository's own folder
	prefix string // the folder below, with a slash at the end; empty for the top
}

// locate resolves a revision of the repository that dir lies in.
func locate(ctx context.Context, dir, rev string) (revision, error) {
	out, err := git(ctx, dir, "rev-parse", "--show-toplevel", "--show-prefix", "--verify", "--end-of-options", rev+"^{commit}")
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) < 3 {
		return revision{}, noRevision(dir+"@"+rev, dir)
	}
	return revision{top: lines[0], prefix: lines[1], name: lines[2]}, nil
}

func noRevision(given, repository string) error {
	return &kbuild.SourceError{Path: given, Problem: "no such revision in a git repository there", Cure: "name a commit, a tag or a branch: git -C " + repository + " tag"}
}

// gitCommand is a git that asks nobody anything and starts nothing that a stranger's repository names.
func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		"-c", "protocol.ext.allow=never", "--no-optional-locks"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1")
	return cmd
}

// git runs one and returns what it says, on both of its streams if it fails.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := gitCommand(ctx, dir, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return append(out.Bytes(), said.Bytes()...), err
	}
	return out.Bytes(), nil
}

// lastLine is the last thing said.
func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return clean(lines[len(lines)-1])
}
