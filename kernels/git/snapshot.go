package git

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// Snapshot says what of a repository is copied, for others to ask it for versions.
type Snapshot struct {
	Commit string                 // a full hash that HEAD stands on; empty: as in the work tree
	Work   string                 // folder with the files of Commit; empty: the work tree
	Has    func(path string) bool // whether the copy of the work tree has the file: the others look as if they were not checked out
	Time   int64                  // of the files in that copy, in seconds since 1970
}

// How long a history may be: whole, and without the folders of old commits. Beyond that, HEAD alone is copied.
var (
	maxHistory = 5_000
	maxCommits = 100_000
)

// maxExclude bounds info/exclude, in bytes.
const maxExclude = 1 << 20

// Write makes a git folder in the empty folder to from which git answers what it answers in r: which commit HEAD is, which tags
// there are, how HEAD is described by them, how many commits came before, and which files differ. It holds neither what files held, nor
// the repository's configuration, hooks, remotes, or other branches. digest stands for all that can be read there. Where there is more
// than can be copied, note says what is missing.
func (s Snapshot) Write(ctx context.Context, r *Repo, to string) (digest, note string, err error) {
	root, err := os.OpenRoot(to)
	if err != nil {
		return "", "", err
	}
	defer root.Close()
	w := snapshotWriter{Snapshot: s, r: r, root: root}
	if err := w.references(ctx); err != nil {
		return "", "", fmt.Errorf("copy git folder: %w", err)
	}
	err = errors.Join(w.index(ctx), w.objects(ctx), w.settings(ctx))
	if err != nil {
		return "", "", fmt.Errorf("copy git folder: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(w.said.String()))), w.note, nil
}

type snapshotWriter struct {
	Snapshot
	r      *Repo
	root   *os.Root
	commit string
	tags   []string // hashes of what tags name
	about  []string // hashes of the files in which git itself reads
	note   string
	said   strings.Builder // all that the digest is of
}

// put writes a file of the git folder.
func (w *snapshotWriter) put(name, text string) error {
	return errors.Join(w.root.MkdirAll(path.Dir(name), 0o755), w.root.WriteFile(name, []byte(text), 0o644))
}

// references writes HEAD, its branch, the tags, and a log of HEAD, whose time builds ask for.
func (w *snapshotWriter) references(ctx context.Context) error {
	head, err := readLine(filepath.Join(w.r.own, "HEAD"))
	if w.commit, err = w.Commit, errors.Join(err, ctx.Err()); err == nil && w.commit == "" {
		w.commit, err = w.r.Commit(ctx, "HEAD")
	}
	if err != nil {
		return err
	}
	branch, named := strings.CutPrefix(head, "ref: ")
	if w.Commit != "" || !named {
		head = w.commit
	} else if err := w.put(branch, w.commit+"\n"); err != nil {
		return err
	}
	out, err := w.r.run(ctx, "for-each-ref", "--format=%(objectname) %(refname) %(*objectname)", "refs/tags")
	if err != nil {
		return err
	}
	packed := "# pack-refs with: peeled fully-peeled sorted \n"
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		packed += words[0] + " " + words[1] + "\n"
		if len(words) > 2 {
			packed += "^" + words[2] + "\n"
		}
		w.tags = append(w.tags, words[0])
	}
	log := strings.Repeat("0", len(w.commit)) + " " + w.commit + " modmatrix <> " + strconv.FormatInt(w.Time, 10) + " +0000\tcopy\n"
	fmt.Fprint(&w.said, head, "\n", w.commit, "\n", packed)
	return errors.Join(w.put("HEAD", head+"\n"), w.put("packed-refs", packed), w.put("logs/HEAD", log), w.root.MkdirAll("refs/heads", 0o755),
		w.root.MkdirAll("objects/pack", 0o755))
}

// index writes which files are tracked, and which of them are as the index, or the commit, has them.
func (w *snapshotWriter) index(ctx context.Context) error {
	work, changed := cmp.Or(w.Work, w.r.top), map[string]bool{}
	args := []string{"ls-tree", "-r", "-z", "--full-tree", w.commit}
	if w.Commit == "" {
		args = []string{"ls-files", "-z", "-t", "--stage"}
		out, err := w.r.run(ctx, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=all")
		if err != nil {
			return err
		}
		for entry := range strings.SplitSeq(out, "\x00") {
			if len(entry) > 3 && entry[1] != ' ' {
				changed[entry[3:]] = true
			}
		}
	}
	out, err := w.r.run(ctx, args...)
	if err != nil {
		return err
	}
	list, err := parseListed(out)
	if err != nil {
		return err
	}
	for i, e := range list {
		info, err := os.Lstat(filepath.Join(work, e.path))
		switch {
		case err == nil && info.IsDir(): // a submodule's: one that holds nothing is not in a copy
			entries, _ := os.ReadDir(filepath.Join(work, e.path))
			list[i].absent = len(entries) == 0 || !w.Has(e.path)
		case err == nil && !w.Has(e.path), err != nil && w.Commit != "":
			list[i].absent = true
		case err == nil && !changed[e.path] && e.stage == 0:
			list[i].size = info.Size()
		}
		if base := path.Base(e.path); base == ".gitmodules" || base == ".gitattributes" {
			w.about = append(w.about, e.object)
		}
		fmt.Fprintf(&w.said, "%o %s %d %t %q\n", e.mode, e.object, e.stage, list[i].absent, e.path)
	}
	return w.put("index", string(index(list, w.Time)))
}

// objects writes commits, tags and folders, and no file's content. A repository that keeps objects elsewhere could hold those of
// another one of the user's: of it, names are copied alone.
func (w *snapshotWriter) objects(ctx context.Context) error {
	var packs [][]string
	revisions := slices.Concat([]string{w.commit}, w.tags, w.about)
	switch number, err := w.count(ctx, slices.Concat(w.tags, []string{w.commit})); {
	case w.r.Contained(ctx) != nil:
		w.note = "the git folder keeps objects elsewhere, so commits and tags are not copied: git answers which commit HEAD is, and no more"
	case err != nil || number > maxCommits:
		w.note = fmt.Sprintf("the history is not copied, which has more than %d commits, or lacks some: git answers which commit HEAD is, and no more", maxCommits)
	case number > maxHistory:
		packs = [][]string{append([]string{"--filter=tree:0"}, revisions...), {"--filter=blob:none", w.commit + "^{tree}"}}
	default:
		packs = [][]string{append([]string{"--filter=blob:none"}, revisions...)}
	}
	for i, pack := range packs {
		if err := w.pack(ctx, fmt.Sprintf("objects/pack/pack-%d.pack", i), pack[0], pack[1:]); err != nil {
			return err
		}
	}
	shallow, err := readShallow(w.r.common)
	if err == nil && shallow != "" {
		err = w.put("shallow", shallow)
	}
	fmt.Fprintln(&w.said, len(packs), w.note, shallow)
	return err
}

// count is how many commits there are, up to one more than may be copied.
func (w *snapshotWriter) count(ctx context.Context, revisions []string) (int, error) {
	out, err := bounded(ctx, limit, func(ctx context.Context) *exec.Cmd {
		cmd := w.r.command(ctx, "rev-list", "--count", "--max-count="+strconv.Itoa(maxCommits+1), "--stdin")
		cmd.Stdin = strings.NewReader(strings.Join(revisions, "\n"))
		return cmd
	})
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// pack writes the objects of revisions that pass the filter. However the repository has packed them, the bytes are the same.
func (w *snapshotWriter) pack(ctx context.Context, name, filter string, revisions []string) error {
	file, err := w.root.Create(name)
	if err != nil {
		return err
	}
	_, err = bounded(ctx, limit, func(ctx context.Context) *exec.Cmd {
		cmd := w.r.command(ctx, "-c", "pack.threads=1", "pack-objects", "-q", "--revs", "--window=0", "--no-reuse-delta", "--no-reuse-object", "--stdout", filter)
		cmd.Stdin, cmd.Stdout = strings.NewReader(strings.Join(revisions, "\n")+"\n"), file
		return cmd
	})
	if err = errors.Join(err, file.Close()); err == nil {
		_, err = w.r.run(ctx, "index-pack", filepath.Join(w.root.Name(), name))
	}
	return err
}

// readShallow is the list of commits whose ancestors a shallow clone lacks; empty for a whole one.
func readShallow(common string) (string, error) {
	text, err := kernels.ReadFileIn(common, "shallow", maxExclude)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	list := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); commitHash.MatchString(line) {
			list += line + "\n"
		}
	}
	return list, err
}

// settings writes a configuration that starts nothing, and which files the repository ignores besides.
func (w *snapshotWriter) settings(ctx context.Context) error {
	config := "[core]\n\tbare = false\n\ttrustctime = false\n\tcheckStat = minimal\n"
	theirs := settings(ctx, filepath.Join(w.r.common, "config"))
	for _, key := range []string{"core.autocrlf", "core.eol", "core.filemode", "core.ignorecase", "core.symlinks"} {
		if value := theirs[key]; value != "" && plain.MatchString(value) {
			config += "\t" + strings.TrimPrefix(key, "core.") + " = " + value + "\n"
		}
	}
	if format := theirs["extensions.objectformat"]; format != "" && plain.MatchString(format) {
		config += "\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = " + format + "\n"
	} else {
		config += "\trepositoryformatversion = 0\n"
	}
	exclude, err := kernels.ReadFileIn(filepath.Join(w.r.common, "info"), "exclude", maxExclude)
	if err != nil {
		exclude = nil // it is no file, or not there
	}
	fmt.Fprint(&w.said, config, string(exclude))
	return errors.Join(w.put("config", config), w.put("info/exclude", string(exclude)))
}
