package kernels

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// workKind is the folder of the store for what lives only as long as one run.
const workKind = "work"

// WorkDir makes a private folder in the store, so that what is made in it can be moved into an entry in one step. Its
// lock is held until release, which removes the folder; the folder of a process that was killed has a free lock and is
// swept here by whoever comes next.
func (s *Store) WorkDir() (dir string, release func(), err error) {
	s.sweepWork()
	id := rand.Text()
	lock := flock.New(s.workLock(id))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return "", nil, fmt.Errorf("lock work folder: %w", errors.Join(err, errLocked(ok)))
	}
	dir = filepath.Join(s.dir, workKind, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		_ = lock.Close()
		return "", nil, fmt.Errorf("make work folder: %w", err)
	}
	return dir, func() { s.dropWork(id, lock) }, nil
}

func (s *Store) workLock(id string) string {
	return filepath.Join(s.dir, lockDir, workKind+"."+id)
}

// sweepWork removes the work folders and locks of dead processes. The lock goes last: as long as it is there and
// free, the next sweep finds it again.
func (s *Store) sweepWork() {
	locks, _ := filepath.Glob(s.workLock("*"))
	for _, path := range locks {
		lock := flock.New(path)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		s.dropWork(strings.TrimPrefix(filepath.Base(path), workKind+"."), lock)
	}
}

func (s *Store) dropWork(id string, held *flock.Flock) {
	if err := RemoveTree(filepath.Join(s.dir, workKind, id)); err == nil {
		_ = os.Remove(s.workLock(id))
	}
	_ = held.Close()
}

func errLocked(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("somebody else holds it")
}
