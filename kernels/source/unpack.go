package source

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/store"
)

type tarball struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Time     time.Time `json:"time"`
	SHA256   string    `json:"sha256"`
	Makefile string    `json:"makefile"` // its head
}

// headSize is how much of a Makefile is looked at: its version stands in the first lines.
const headSize = 1 << 10

func (s *Source) resolveTar(ctx context.Context, path string) ([]origin, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s", kernels.ErrNoMatch, path)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no file (dir:%s for a prepared tree, git:%s for a repository)", kernels.ErrNoMatch, path, path, path)
	}
	if err != nil {
		return nil, err
	}
	known := filepath.Join(s.store.Dir(), "tarballs", store.Digest(path)[:idSize]+".json")
	var t tarball
	if store.ReadJSON(known, &t) != nil || t.Path != path || t.Size != info.Size() || !t.Time.Equal(info.ModTime()) {
		if t, err = readTarball(ctx, path, info); err != nil {
			return nil, fmt.Errorf("%w: read %s: %w", kernels.ErrNoMatch, path, err)
		}
		_ = store.WriteJSON(known, t) // that it cannot be kept costs only time
	}
	v, err := readVersion([]byte(t.Makefile))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", kernels.ErrNoMatch, path, err)
	}
	return []origin{{kind: "tar", path: path, sha256: t.SHA256, version: v}}, nil
}

func readTarball(ctx context.Context, path string, info fs.FileInfo) (tarball, error) {
	t := tarball{Path: path, Size: info.Size(), Time: info.ModTime()}
	f, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer f.Close()
	head, err := makefileIn(ctx, f)
	if err != nil {
		return t, err
	}
	t.Makefile = string(head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return t, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, kernels.ReadWith(ctx, f)); err != nil {
		return t, err
	}
	t.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return t, nil
}

// maxNames bounds how many names are read in search of a Makefile; a kernel has 90,000.
const maxNames = 1_000_000

func makefileIn(ctx context.Context, r io.Reader) ([]byte, error) {
	plain, err := kernels.Unpack(kernels.ReadWith(ctx, r))
	if err != nil {
		return nil, err
	}
	names := tar.NewReader(plain)
	for range maxNames {
		h, err := names.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !filepath.IsLocal(h.Name) {
			return nil, fmt.Errorf("it is refused: it would put %q outside of its folder", h.Name)
		}
		_, name, _ := strings.Cut(strings.TrimPrefix(h.Name, "./"), "/")
		if name == "Makefile" && h.Typeflag == tar.TypeReg {
			return io.ReadAll(io.LimitReader(names, headSize))
		}
	}
	return nil, errors.New("it has no folder with a Makefile: is it a Linux kernel's source?")
}

// unpack puts the source into the box's folder. tar runs in the box, and can write nowhere else.
func (o origin) unpack(ctx context.Context, b box, log *buildLog) error {
	if o.kind == "git" {
		return o.unpackGit(ctx, b, log)
	}
	f, err := os.Open(o.path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(f, sum), 1<<20)
	if err := b.run(ctx, in, log, untar(kernels.TarOption(in))...); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != o.sha256 {
		return fmt.Errorf("%s changed since it was resolved; run again", o.path)
	}
	return nil
}

// untar is the command that unpacks its input without the folder at its top. Names that lead out are an error of tar's.
func untar(flag string) []string {
	return []string{"tar", "-x", "-f", "-", flag, "--strip-components=1", "--no-same-owner", "--no-same-permissions"}
}

func (o origin) unpackGit(ctx context.Context, b box, log *buildLog) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	written := make(chan error, 1)
	go func() {
		err := archive(ctx, o, w)
		w.Close()
		written <- err
	}()
	unpackErr := b.run(ctx, r, log, untar("--no-auto-compress")...)
	r.Close() // git must not wait for a tar that failed
	archiveErr := <-written
	if archiveErr != nil && !errors.As(unpackErr, new(*kernels.ToolError)) {
		return archiveErr
	}
	return errors.Join(unpackErr, archiveErr)
}

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
