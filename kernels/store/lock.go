package store

import (
	"cmp"
	"context"
	"crypto/rand"
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

func (s *Store) free(name string) bool {
	lock, _ := s.tryLock(name, true)
	if lock != nil {
		s.unlock(lock)
	}
	return lock != nil
}

// IsReadOnly reports whether err is of a disk or a folder that this user may not write to.
func IsReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// workKind is the folder of the store for what lives only as long as one run. The lock of that name is held while the locks
// of the runs are made, tried and removed: whoever tries one must not take it from a run that is just beginning.
const workKind = "work"

// WorkDir makes a private folder in the store, so that what is made in it can be moved into an entry in one step. Its
// lock is held until release, which removes the folder; the folder of a process that was killed has a free lock and is
// swept here by whoever comes next. Beside a store that cannot be written it is a temporary one. Until release, Collect leaves alone whatever is asked of the store.
func (s *Store) WorkDir() (dir string, release func(), err error) {
	id := rand.Text()
	lock, err := s.lockWork(id)
	if IsReadOnly(err) { // nothing will be made that could be moved into an entry
		if dir, err = os.MkdirTemp("", "modmatrix-"); err == nil {
			return dir, func() { _ = RemoveTree(dir) }, nil
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("make work folder: %w", s.WithCure(err, ""))
	}
	dir = s.entry(workKind, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.dropWork(id, lock)
		return "", nil, fmt.Errorf("make work folder: %w", s.WithCure(err, ""))
	}
	return dir, func() { s.dropWork(id, lock) }, nil
}

func (s *Store) lockWork(id string) (*flock.Flock, error) {
	ctx := context.Background()
	if err := s.sweepWork(ctx); err != nil {
		return nil, err
	}
	unlock, err := s.Lock(ctx, workKind, true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	lock, err := s.tryLock(workKind+"."+id, true)
	if lock == nil {
		return nil, cmp.Or(err, errors.New("somebody else holds the lock of a new folder"))
	}
	return lock, nil
}

func (s *Store) workLock(id string) string { return s.lockPath(workKind + "." + id) }

// sweepWork removes the work folders and locks of dead processes, the lock last, so that the next sweep finds what is left.
func (s *Store) sweepWork(ctx context.Context) error {
	unlock, err := s.Lock(ctx, workKind, true)
	if err != nil {
		return err
	}
	defer unlock()
	locks, _ := filepath.Glob(s.workLock("*"))
	for _, path := range locks {
		if lock, _ := s.tryLock(filepath.Base(path), true); lock != nil {
			s.dropWork(strings.TrimPrefix(filepath.Base(path), workKind+"."), lock)
		}
	}
	return nil
}

func (s *Store) dropWork(id string, held *flock.Flock) {
	if err := RemoveTree(s.entry(workKind, id)); err == nil {
		_ = os.Remove(s.workLock(id))
	}
	_ = held.Close()
}

// partialKind is the folder of the store for what was got of entries that are not made yet.
const partialKind = "partial"

// partialAge is how long a download that was cut off is kept for somebody to go on with it.
const partialAge = 7 * 24 * time.Hour

// Partial returns a folder that outlives a fill that failed or was killed, so that the next one continues from what this one got. Only who
// fills that entry may ask for it. It goes when the entry is made, is not asked for during a week, or Collect needs its room. title is for people.
func (s *Store) Partial(kind, id, title string) (string, error) {
	dir := s.entry(partialKind, kind+"."+id)
	now := time.Now()
	if err := errors.Join(os.MkdirAll(dir, 0o755), SetTitle(dir, title), os.Chtimes(dir, now, now)); err != nil {
		return "", fmt.Errorf("make folder for %s: %w", title, err)
	}
	return dir, nil
}

// dropPartial removes what was got of an entry, when that is made, or else when it is nothing.
func (s *Store) dropPartial(kind, id string, made bool) {
	dir := s.entry(partialKind, kind+"."+id)
	entries, err := os.ReadDir(dir)
	if err == nil && (made || len(entries) <= 1) {
		_ = RemoveTree(dir)
	}
}
