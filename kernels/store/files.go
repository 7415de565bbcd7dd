package store

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// RemoveTree deletes dir whatever modes its folders have, and however deep they are: rm keeps one folder open, os.RemoveAll one for
// each level. What a user of a user namespace left behind (a killed mmdebstrap) only such a user can delete, so the last try runs in a
// user namespace with the same ranges (util-linux 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = exec.Command("chmod", "-R", "u+rwx", "--", dir).Run()
	if exec.Command("rm", "-rf", "--", dir).Run() == nil || os.Geteuid() == 0 {
		return os.RemoveAll(dir)
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}

// titleFile of an entry says in one line what it is.
const titleFile = ".title"

// SetTitle may be called by a fill function for its folder, to say in one line what the entry is.
func SetTitle(dir, title string) error {
	return os.WriteFile(filepath.Join(dir, titleFile), []byte(title+"\n"), 0o644)
}

// WriteJSON replaces the file at path in one step, and makes its folder at need.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(path)))
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// IsFull reports whether err is of a full disk, or of a used-up quota.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// Room says what the file system of dir lacks, where an error of a full disk was met by who needs so many bytes. That there are
// enough bytes is not said: then it is something else that is used up.
func Room(dir string, full error, need uint64) string {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return lacks(st, err == nil, errors.Is(full, syscall.EDQUOT), need)
}

func lacks(st unix.Statfs_t, known, quota bool, need uint64) string {
	free := st.Bavail * uint64(st.Bsize)
	switch {
	case quota:
		return fmt.Sprintf("your quota is used up, up to %s needed", humanize.IBytes(need))
	case known && st.Files > 0 && st.Ffree == 0:
		return fmt.Sprintf("all of its %d inodes are used: it holds too many files", st.Files)
	case !known || free >= need:
		return fmt.Sprintf("up to %s needed", humanize.IBytes(need))
	}
	return fmt.Sprintf("%s free, up to %s needed", humanize.IBytes(free), humanize.IBytes(need))
}

// WithCure adds to an error of writing below the store what helps against it: where the disk is full, which folder that
// is, how much is free, and how much an entry of that kind usually takes; "" is for a file of a run.
func (s *Store) WithCure(err error, kind string) error {
	_, cured := errors.AsType[*curedError](err)
	switch {
	case cured:
	case IsFull(err):
		return &curedError{fmt.Errorf("the cache %s is full (%s): modmatrix cache gc makes room, and MODMATRIX_CACHE names another folder: %w",
			s.dir, Room(s.dir, err, cmp.Or(kinds[kind].room, usualRoom)), err)}
	case errors.Is(err, syscall.EROFS):
		return &curedError{fmt.Errorf("%w (MODMATRIX_CACHE names another folder)", err)}
	}
	return err
}

// TempFull is WithCure for who wrote to the folder for temporary files, where need bytes are enough.
func TempFull(err error, need uint64) error {
	if !IsFull(err) {
		return err
	}
	dir := os.TempDir()
	return &curedError{fmt.Errorf("the folder for temporary files %s is full (%s): make room there, or name another folder with TMPDIR: %w",
		dir, Room(dir, err, need), err)}
}

// curedError says what helps against it; it need not be said twice.
type curedError struct{ error }

func (e *curedError) Unwrap() error { return e.error }

// Digest is the SHA-256 of parts, in hexadecimal digits. Parts that are divided otherwise have another one, so it can be the ID
// of an entry that is made from them.
func Digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
