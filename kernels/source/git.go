package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// resolveGit finds the commits that text means in the repository at dir; "" is the one that is checked out.
func resolveGit(ctx context.Context, dir, text string) (found []origin, notices []string, err error) {
	if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return nil, nil, fmt.Errorf("%w: %s is no git repository that can be read: %w", kernels.ErrNoMatch, dir, err)
	}
	listed, err := git(ctx, dir, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
	if err != nil {
		return nil, nil, err
	}
	tags := strings.Fields(listed)
	names := []string{text}
	if text == "" {
		names = []string{"HEAD"}
		notices = changes(ctx, dir)
	} else if _, err := commitOf(ctx, dir, text); err != nil { // a branch called stable goes before the word
		picked, notes := Pick(tags, text)
		if len(picked) == 0 {
			return nil, nil, noRevision(dir, text, tags)
		}
		names, notices = picked, notes
	}
	for _, name := range names {
		o, err := gitOrigin(ctx, dir, name)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, o)
	}
	return found, notices, nil
}

// changes warns that what is not committed is not compiled.
func changes(ctx context.Context, dir string) []string {
	if inside, _ := git(ctx, dir, "rev-parse", "--is-inside-work-tree"); inside != "true" {
		return nil
	}
	args, ok := withoutFilters(ctx, dir)
	if !ok {
		return nil
	}
	args = append(args, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
	if changed, err := git(ctx, dir, args...); err == nil && changed != "" {
		return []string{fmt.Sprintf("%s: the commit is compiled; what is changed in the work tree and not committed is not", dir)}
	}
	return nil
}

// withoutFilters are the options that switch off the programs which a repository's configuration names for the content of
// files; git would run them to compare a file. It is not ok where one cannot be switched off.
func withoutFilters(ctx context.Context, dir string) (args []string, ok bool) {
	named, _ := git(ctx, dir, "config", "--name-only", "--get-regexp", `^filter\.`) // none is an error, too
	for name := range strings.Lines(named) {
		name = strings.TrimSuffix(name, "\n")
		if strings.Contains(name, "=") {
			return nil, false
		}
		value := ""
		if strings.HasSuffix(name, ".required") {
			value = "false"
		}
		args = append(args, "-c", name+"="+value)
	}
	return args, true
}

func commitOf(ctx context.Context, dir, name string) (string, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err == nil && !commitHash.MatchString(commit) {
		err = fmt.Errorf("git names %q as the commit of %s", commit, name)
	}
	return commit, err
}

func gitOrigin(ctx context.Context, dir, name string) (o origin, err error) {
	o = origin{kind: "git", path: dir, name: name}
	if o.commit, err = commitOf(ctx, dir, name); err != nil {
		if _, failed := errors.AsType[*kernels.ToolError](err); failed && name == "HEAD" {
			err = fmt.Errorf("%w: nothing is checked out in %s: it has no commit yet, or name a branch or a tag as %s@REV", kernels.ErrNoMatch, dir, dir)
		}
		return o, err
	}
	if name == "HEAD" {
		o.name = o.commit[:12]
	}
	makefile, err := git(ctx, dir, "cat-file", "blob", o.commit+":Makefile")
	if err != nil {
		return o, fmt.Errorf("%w: commit %s of %s has no Makefile: is this a Linux kernel's repository?", kernels.ErrNoMatch, o.commit[:12], dir)
	}
	if o.version, err = readVersion([]byte(makefile)); err != nil {
		return o, fmt.Errorf("%w: commit %s of %s: %w", kernels.ErrNoMatch, o.commit[:12], dir, err)
	}
	tag, err := commitOf(ctx, dir, "refs/tags/"+o.version.tag())
	o.exact = err == nil && tag == o.commit
	return o, nil
}

// home is the place that the source comes from: the repository, whichever of its work trees was named, or the tarball's folder.
func (o origin) home(ctx context.Context) (string, error) {
	if o.kind != "git" {
		return filepath.Dir(o.path), nil
	}
	return git(ctx, o.path, "rev-parse", "--path-format=absolute", "--git-common-dir")
}

// git runs a command that only reads, and gives what it says, without the last line's end. What a repository's own
// configuration names to be run is switched off where such a command would run it.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := tools.Command(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false", "--no-optional-locks", "--no-replace-objects"}, args...)...)
	out, err := tools.Run(ctx, cmd)
	return strings.TrimSuffix(out, "\n"), err
}

// archive writes a commit as a tar to out. git would run what the repository's configuration names as filters; so it is
// asked in a new repository in scratch, which borrows the objects and nothing else.
func archive(ctx context.Context, o origin, scratch string, out io.Writer) error {
	objects, err := git(ctx, o.path, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return err
	}
	if strings.ContainsAny(objects, ":\"\n") {
		return fmt.Errorf("the path %q cannot be handed to git: move the repository", objects)
	}
	own := path.Join(scratch, "own.git")
	format := "sha1"
	if len(o.commit) > 40 {
		format = "sha256"
	}
	if _, err := tools.Run(ctx, tools.Command(ctx, "git", "init", "--quiet", "--bare", "--template=", "--object-format="+format, own)); err != nil {
		return err
	}
	cmd := tools.Command(ctx, "git", "--git-dir", own, "archive", "--format=tar", "--prefix=linux/", o.commit)
	cmd.Env = append(cmd.Env, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+objects)
	cmd.Stdout = out
	if _, err := tools.Run(ctx, cmd); err != nil {
		return errors.Join(fmt.Errorf("read commit %s (is the clone partial? git fetch it whole): %w", o.commit[:12], err), ctx.Err())
	}
	return nil
}
