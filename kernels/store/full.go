package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// IsFull reports whether err is of a full disk, or of a used-up quota.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// Free says how much an ordinary user can still write to the file system of dir.
func Free(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "an unknown amount"
	}
	return humanize.IBytes(st.Bavail * uint64(st.Bsize))
}

// WithCure adds to an error of writing below the store what helps against it: where the disk is full, which folder that
// is, how much is free, and how much an entry of that kind usually takes; "" is for a file of a run.
func (s *Store) WithCure(err error, kind string) error {
	_, cured := errors.AsType[*curedError](err)
	switch {
	case cured:
	case IsFull(err):
		return &curedError{fmt.Errorf("the cache %s is full (%s free, up to %s needed): modmatrix cache gc makes room, and MODMATRIX_CACHE names another folder: %w",
			s.dir, Free(s.dir), humanize.IBytes(cmp.Or(kinds[kind].room, usualRoom)), err)}
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
	return &curedError{fmt.Errorf("the folder for temporary files %s is full (%s free, up to %s needed): make room there, or name another folder with TMPDIR: %w",
		dir, Free(dir), humanize.IBytes(need), err)}
}

// curedError says what helps against it; it need not be said twice.
type curedError struct{ error }

func (e *curedError) Unwrap() error { return e.error }

// RemoveTree deletes dir whatever modes its folders have. What a user of a user namespace left behind (a killed mmdebstrap)
// only such a user can delete, so the last try runs in a user namespace with the same ranges (util-linux 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}

// Digest is the SHA-256 of parts, in hexadecimal digits. Parts that are divided otherwise have another one, so it can be the ID
// of an entry that is made from them.
func Digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
