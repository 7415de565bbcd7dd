package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockDir  = ".locks"
	lockPoll = 50 * time.Millisecond
)

func (s *Store) lockPath(name string) string { return filepath.Join(s.dir, lockDir, name) }

// Lock takes the store's lock called name, shared or exclusive, and waits for it until ctx ends.
func (s *Store) Lock(ctx context.Context, name string, exclusive bool) (unlock func(), err error) {
	lock, err := s.waitLock(ctx, name, exclusive)
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

func (s *Store) waitLock(ctx context.Context, name string, exclusive bool) (*flock.Flock, error) {
	for {
		err := ctx.Err()
		if err == nil {
			var lock *flock.Flock
			if lock, err = s.tryLock(name, exclusive); lock != nil {
				return lock, nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s in the store: %w", name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes a lock without waiting; nil without an error means that somebody else has it.
func (s *Store) tryLock(name string, exclusive bool) (*flock.Flock, error) {
	lock := flock.New(s.lockPath(name))
	try := lock.TryRLock
	if exclusive {
		try = lock.TryLock
	}
	ok, err := try()
	if ok && err == nil && isCurrent(lock) {
		return lock, nil
	}
	return nil, errors.Join(err, lock.Close())
}

// isCurrent reports whether the locked file still has its name: a lock on a file that is gone excludes nobody.
func isCurrent(lock *flock.Flock) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(held, named)
}

// unlock gives up the lock of an entry. The lock's file lives no longer than the entry, for there are cells without end: who
// has the lock alone removes it, and a shared one, which made the file anew where the entry was gone, is taken again for that.
func (s *Store) unlock(lock *flock.Flock) {
	name, alone := filepath.Base(lock.Path()), lock.Locked()
	kind, id, _ := strings.Cut(name, ".")
	_, err := os.Lstat(s.entry(kind, id))
	gone := errors.Is(err, fs.ErrNotExist)
	if gone && alone {
		_ = os.Remove(lock.Path())
	}
	_ = lock.Close()
	if gone && !alone {
		s.free(name)
	}
}

// free reports whether nobody holds the lock of an entry.
func (s *Store) free(name string) bool {
	lock, _ := s.tryLock(name, true)
	if lock != nil {
		s.unlock(lock)
	}
	return lock != nil
}

func isReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
