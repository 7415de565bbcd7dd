package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
)

// resolveGit finds the commits that text means in the repository at dir; "" is the one that is checked out.
func resolveGit(ctx context.Context, dir, text string) (found []origin, notices []string, err error) {
	r, err := git.Open(ctx, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s is no git repository that can be read: %w", kernels.ErrNoMatch, dir, err)
	}
	defer r.Close()
	tags, err := r.Tags(ctx)
	if err != nil {
		return nil, nil, err
	}
	names := []string{text}
	if text == "" {
		names = []string{"HEAD"}
		if changed, err := r.Changed(ctx, false); err == nil && changed {
			notices = []string{fmt.Sprintf("%s: the commit is compiled; what is changed in the work tree and not committed is not", dir)}
		}
	} else if _, err := r.Commit(ctx, text); err != nil { // a branch called stable goes before the word
		picked, notes := Pick(tags, text)
		if len(picked) == 0 {
			return nil, nil, noRevision(dir, text, tags)
		}
		names, notices = picked, notes
	}
	for _, name := range names {
		o, err := gitOrigin(ctx, r, dir, name)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, o)
	}
	return found, notices, nil
}

func gitOrigin(ctx context.Context, r *git.Repo, dir, name string) (o origin, err error) {
	o = origin{kind: "git", path: dir, name: name}
	if o.commit, err = r.Commit(ctx, name); err != nil {
		if _, failed := errors.AsType[*kernels.ToolError](err); failed && name == "HEAD" {
			err = fmt.Errorf("%w: nothing is checked out in %s: it has no commit yet, or name a branch or a tag as %s@REV", kernels.ErrNoMatch, dir, dir)
		}
		return o, err
	}
	if name == "HEAD" {
		o.name = o.commit[:12]
	}
	makefile, err := r.File(ctx, o.commit, "Makefile")
	if err != nil {
		return o, fmt.Errorf("%w: commit %s of %s has no Makefile: is this a Linux kernel's repository?", kernels.ErrNoMatch, o.commit[:12], dir)
	}
	if o.version, err = readVersion([]byte(makefile)); err != nil {
		return o, fmt.Errorf("%w: commit %s of %s: %w", kernels.ErrNoMatch, o.commit[:12], dir, err)
	}
	tag, err := r.Commit(ctx, "refs/tags/"+o.version.tag())
	o.exact = err == nil && tag == o.commit
	return o, nil
}

// home is the place that the source comes from: the repository, whichever of its work trees was named, or the tarball's folder.
func (o origin) home(ctx context.Context) (string, error) {
	if o.kind != "git" {
		return filepath.Dir(o.path), nil
	}
	r, err := git.Open(ctx, o.path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return r.Common(), nil
}

func archive(ctx context.Context, o origin, out io.Writer) error {
	r, err := git.Open(ctx, o.path)
	if err != nil {
		return err
	}
	defer r.Close()
	within, cancel := context.WithTimeout(ctx, git.ArchiveLimit)
	defer cancel()
	cmd, err := r.Archive(within, o.commit, "linux/")
	if err != nil {
		return err
	}
	cmd.Stdout = out
	if _, err := tools.Run(within, cmd); err != nil {
		return errors.Join(fmt.Errorf("read commit %s (is the clone partial? git fetch it whole): %w", o.commit[:12], err), ctx.Err())
	}
	return nil
}
