package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sharedStore is the store that $MODMATRIX_SHARED names, an absolute path; "" where that is not set, or is own.
func sharedStore(own string) (string, error) {
	dir := os.Getenv("MODMATRIX_SHARED")
	if dir == "" {
		return "", nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("MODMATRIX_SHARED: %w", err)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", dir)
	}
	if err != nil {
		return "", fmt.Errorf("MODMATRIX_SHARED: %w; name the cache folder of another user, or unset it", err)
	}
	if mine, err := os.Stat(own); err == nil && os.SameFile(mine, info) {
		return "", nil
	}
	return dir, nil
}

// Shared is the folder of a second store, which is looked at before anything is made: what is there, and whole, is used in
// place. Nothing is ever written to it, no lock and no mark either; so its owner must not remove what others use. "" where there
// is none.
func (s *Store) Shared() string { return s.shared }

// Shares reports whether path lies in the shared store.
func (s *Store) Shares(path string) bool {
	return s.shared != "" && strings.HasPrefix(path, s.shared+string(filepath.Separator))
}

// Own is the store without the one that is shared, for what must be written to.
func (s *Store) Own() *Store { return &Store{dir: s.dir, made: s.made} }

// lookShared is Look in the shared store.
func (s *Store) lookShared(kind, id string) (dir string, hit bool) {
	if s.shared == "" || !kinds[kind].shared {
		return "", false
	}
	dir = filepath.Join(s.shared, kind, id)
	return dir, whole(dir)
}
