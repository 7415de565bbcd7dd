package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// partialKind is the folder of the store for what was got of entries that are not made yet.
const partialKind = "partial"

// partialAge is how long a download that was cut off is kept for somebody to go on with it.
const partialAge = 7 * 24 * time.Hour

// Partial returns a folder that outlives a fill that failed or was killed, so that the next one goes on from what this one
// got. Only who fills that entry may ask for it: the entry's lock is the folder's as well. It goes when the entry is made,
// when it is not asked for during a week, or when Collect needs its room. title is what a person calls it.
func (s *Store) Partial(kind, id, title string) (string, error) {
	dir := s.partial(kind, id)
	now := time.Now()
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, TitleFile), []byte(title+"\n"), 0o644), os.Chtimes(dir, now, now)); err != nil {
		return "", fmt.Errorf("make folder for %s: %w", title, err)
	}
	return dir, nil
}

func (s *Store) partial(kind, id string) string {
	return filepath.Join(s.dir, partialKind, kind+"."+id)
}

// dropPartial removes what was got of an entry, when that is made, or else when it is nothing.
func (s *Store) dropPartial(kind, id string, made bool) {
	dir := s.partial(kind, id)
	entries, err := os.ReadDir(dir)
	if err == nil && (made || len(entries) <= 1) {
		_ = RemoveTree(dir)
	}
}

// partials are the downloads that are under way or were cut off.
func (s *Store) partials() []Entry {
	return s.inFolder(partialKind, func(name string) (string, State) {
		if !goodName.MatchString(name) { // a grave, which the next sweep removes
			return "", ""
		}
		title := titleOf(filepath.Join(s.dir, partialKind, name), name)
		lock, _ := s.tryLock(name, true)
		if lock == nil {
			return title, Making
		}
		s.unlockPartial(lock, name)
		return title, Unfinished
	})
}

func (s *Store) unlockPartial(lock *flock.Flock, name string) {
	kind, id, _ := strings.Cut(name, ".")
	s.unlockEntry(lock, kind, id)
}
