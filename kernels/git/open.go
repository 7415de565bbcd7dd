package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"maps"
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
)

// place is where a repository has its parts; all are absolute and without links.
type place struct {
	top    string // the work tree; empty for a bare repository
	dir    string // the work tree's git folder, with HEAD and index
	common string // the git folder of all work trees, with config, refs and objects
}

// ErrNone is the error of a folder that lies in no repository.
var ErrNone = errors.New("no git repository")

// find looks for the repository as git would, from dir upwards. Where a .git leads elsewhere, to a linked work tree's or a
// submodule's git folder, that one must name the work tree as its own: else a stranger's folder could present any repository of the user's.
func find(ctx context.Context, dir string, bare bool) (place, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if p, err := workTree(ctx, at); !errors.Is(err, ErrNone) {
			return p, err
		}
		if bare && at == dir && isGitFolder(at) {
			return place{dir: at, common: at}, nil
		}
		if at == filepath.Dir(at) {
			return place{}, ErrNone
		}
	}
}

// workTree is the repository of the work tree whose top is top; ErrNone where that is no such top.
func workTree(ctx context.Context, top string) (place, error) {
	link := filepath.Join(top, ".git")
	info, err := os.Lstat(link)
	switch {
	case err != nil:
		return place{}, ErrNone
	case info.IsDir() && isGitFolder(link):
		return place{top, link, link}, nil
	case info.IsDir():
		return place{}, ErrNone
	case info.Mode().IsRegular():
		line, err := readLine(link)
		to, ok := strings.CutPrefix(line, "gitdir:")
		if err != nil || !ok {
			return place{}, fmt.Errorf("%s is neither a git folder nor the name of one", link)
		}
		link = beside(top, strings.TrimSpace(to))
	}
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return place{}, fmt.Errorf("%s names a git folder that is not there", filepath.Join(top, ".git"))
	}
	common, ok := confirmed(ctx, top, dir)
	if !ok || !isGitFolder(common) {
		return place{}, fmt.Errorf("%s leads to %s, which does not name it as its work tree", filepath.Join(top, ".git"), dir)
	}
	return place{top, dir, common}, nil
}

// confirmed is the folder common to all work trees of the git folder dir, if that names top as its work tree, or lies in it.
func confirmed(ctx context.Context, top, dir string) (common string, ok bool) {
	if to, err := readLine(filepath.Join(dir, "commondir")); err == nil {
		common, err := filepath.EvalSymlinks(beside(dir, to))
		back, backErr := readLine(filepath.Join(dir, "gitdir"))
		return common, err == nil && backErr == nil && filepath.Join(common, "worktrees", filepath.Base(dir)) == dir &&
			same(filepath.Dir(beside(dir, back)), top)
	}
	if strings.HasPrefix(dir, top+"/") {
		return dir, true
	}
	back := settings(ctx, filepath.Join(dir, "config"))["core.worktree"]
	return dir, back != "" && same(beside(dir, back), top)
}

// isGitFolder looks for what each git folder holds. That of a linked work tree is not meant, and nothing that names another as its common one.
func isGitFolder(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	_, err := os.Lstat(filepath.Join(dir, "commondir"))
	return errors.Is(err, fs.ErrNotExist)
}

// beside is the path to, which is relative to the folder dir unless it is absolute.
func beside(dir, to string) string {
	if filepath.IsAbs(to) {
		return filepath.Clean(to)
	}
	return filepath.Join(dir, to)
}

func same(one, other string) bool {
	a, err := os.Stat(one)
	b, err2 := os.Stat(other)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// readLine is the only line of a small file that is a file.
func readLine(path string) (string, error) {
	text, err := kernels.ReadFileIn(filepath.Dir(path), filepath.Base(path), 8<<10)
	return strings.TrimRight(string(text), "\r\n"), err
}

var (
	// head is what a HEAD may hold.
	head = regexp.MustCompile(`^(ref: refs/[^\x00-\x20]+|[0-9a-f]{40}([0-9a-f]{24})?)$`)
	// harmless are settings that say how the files of a work tree are to be compared, and start nothing; plain are their values.
	harmless = regexp.MustCompile(`^core\.(autocrlf|checkstat|eol|filemode|ignorecase|precomposeunicode|symlinks|trustctime)$`)
	plain    = regexp.MustCompile(`^[0-9A-Za-z]{0,20}$`)
	// formats are the settings without which a repository cannot be read.
	formats = []string{"extensions.objectformat", "extensions.refstorage"}
)

// checkedOut has an archive hold what a checkout of it would, whatever the tree's attributes say of archives.
const checkedOut = "* -export-ignore -export-subst\n"

// borrow fills the private git folder: with HEAD, with a configuration, and with links to what else is read. Objects are borrowed
// through the environment.
func (r *Repo) borrow(ctx context.Context) error {
	at, err := readLine(filepath.Join(r.dir, "HEAD"))
	if err != nil {
		return err
	}
	if !head.MatchString(at) {
		return fmt.Errorf("%s holds no reference", filepath.Join(r.dir, "HEAD"))
	}
	theirs := settings(ctx, filepath.Join(r.common, "config"))
	config := fmt.Sprintf("[core]\nrepositoryformatversion = 1\nbare = %t\n[extensions]\n", r.top == "")
	for _, key := range formats {
		if value := theirs[key]; value != "" && plain.MatchString(value) {
			config += strings.TrimPrefix(key, "extensions.") + " = " + value + "\n"
		}
	}
	for name, text := range map[string]string{"HEAD": at + "\n", "config": config} {
		if err := os.WriteFile(filepath.Join(r.own, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(r.own, "info"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.own, "info/attributes"), []byte(checkedOut), 0o600); err != nil {
		return err
	}
	r.options = comparing(settings(ctx, ""), theirs)
	return r.link()
}

// comparing are the options that have files compared as the user's and the repository's settings say.
func comparing(users, theirs map[string]string) (options []string) {
	for _, from := range []map[string]string{users, theirs} {
		for _, key := range slices.Sorted(maps.Keys(from)) {
			if harmless.MatchString(key) && plain.MatchString(from[key]) {
				options = append(options, "-c", key+"="+from[key])
			}
		}
	}
	if ignored := users["core.excludesfile"]; ignored != "" {
		options = append(options, "-c", "core.excludesFile="+ignored)
	}
	return options
}

// link borrows what is there of a repository's parts.
func (r *Repo) link() error {
	parts := map[string]string{}
	for _, name := range []string{"refs", "packed-refs", "reftable", "shallow", "logs", "info/exclude"} {
		parts[name] = filepath.Join(r.common, name)
	}
	for _, name := range []string{"index", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD"} {
		parts[name] = filepath.Join(r.dir, name)
	}
	inDir, err := os.ReadDir(r.dir)
	for _, d := range inDir {
		if strings.HasPrefix(d.Name(), "sharedindex.") && d.Type().IsRegular() { // of a split index; git sets its time anew
			text, readErr := os.ReadFile(filepath.Join(r.dir, d.Name()))
			err = errors.Join(err, readErr, os.WriteFile(filepath.Join(r.own, d.Name()), text, 0o600))
		}
	}
	for name, from := range parts {
		if info, err := os.Stat(from); err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		err = errors.Join(err, os.Symlink(from, filepath.Join(r.own, name)))
	}
	return err
}
