package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
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
