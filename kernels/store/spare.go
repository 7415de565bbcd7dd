package store

import (
	"cmp"
	"os"
	"path/filepath"
)

// spareFolders lists the spare folders of a kind.
func (s *Store) spareFolders(kind string) []Entry {
	dirs, _ := os.ReadDir(filepath.Join(s.dir, kind))
	var entries []Entry
	for _, d := range dirs {
		if !d.IsDir() || !goodName.MatchString(d.Name()) {
			continue
		}
		if e := s.folder(kind, d.Name(), Spare); !e.Used.IsZero() {
			e.Title = kinds[kind].spare.title + d.Name()
			entries = append(entries, e)
		}
	}
	return entries
}

// evictSpare removes one, unless somebody works with it now.
func (s *Store) evictSpare(e Entry) (gone bool, err error) {
	lock, err := s.tryLock(cmp.Or(kinds[e.Kind].spare.lock, e.Kind+"."+e.ID), true)
	if lock == nil {
		return false, err
	}
	defer lock.Close()
	err = s.discard(filepath.Join(s.dir, e.Kind, e.ID), e.Kind, e.ID)
	return err == nil, err
}
