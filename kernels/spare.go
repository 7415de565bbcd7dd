package kernels

import (
	"os"
	"path/filepath"
)

// spares are the folders that sources keep for themselves and fill anew at need, with one folder in each for whatever it is of.
var spares = map[string]struct {
	title string                 // of one, before its name
	lock  func(id string) string // that is held by who works with it
}{
	"apt":    {"index of ", func(id string) string { return "apt." + id }},
	"ccache": {"compiled files of ", func(string) string { return "source.compile" }},
}

// spareFolders lists what is in one of the spares.
func (s *Store) spareFolders(kind string) []Entry {
	dirs, _ := os.ReadDir(filepath.Join(s.dir, kind))
	var entries []Entry
	for _, d := range dirs {
		if !d.IsDir() || !goodName.MatchString(d.Name()) {
			continue
		}
		if e := s.folder(kind, d.Name(), Spare); !e.Used.IsZero() {
			e.Title = spares[kind].title + d.Name()
			entries = append(entries, e)
		}
	}
	return entries
}

// evictSpare removes one, unless somebody works with it now.
func (s *Store) evictSpare(e Entry) (gone bool, err error) {
	lock, err := s.tryLock(spares[e.Kind].lock(e.ID), true)
	if lock == nil {
		return false, err
	}
	defer lock.Close()
	err = s.discard(filepath.Join(s.dir, e.Kind, e.ID), e.Kind, e.ID)
	return err == nil, err
}
