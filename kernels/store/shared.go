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

// Shared is the folder of a second store, whose whole entries are used in place before anything is made; "" for none. Nothing is ever
// written to it, no lock and no mark either; so its owner must not remove what others use.
func (s *Store) Shared() string { return s.shared }

// Shares reports whether path lies in the shared store.
func (s *Store) Shares(path string) bool {
	return s.shared != "" && strings.HasPrefix(path, s.shared+string(filepath.Separator))
}

// Own is the store without the one that is shared, for what must be written to.
func (s *Store) Own() *Store { return &Store{dir: s.dir, made: s.made} }

func (s *Store) lookShared(kind, id string) (dir string, hit bool) {
	if s.shared == "" || !kinds[kind].shared {
		return "", false
	}
	dir = filepath.Join(s.shared, kind, id)
	return dir, whole(dir)
}

// kind is what the store must know of the entries of one kind: the rest of it does not care what they hold.
type kind struct {
	// costly: they come over the network, while others are made from them on this machine. They are evicted later.
	costly bool
	// shared: they are the same whoever asks for them, and are looked for in a shared store too. What was judged, and what
	// was made of a module, everybody makes for himself.
	shared bool
	// room is what one takes on the disk at most, in bytes, by those of Debian's kernels; 0 is usualRoom.
	room uint64
	// spare: they are no entries but folders that a source keeps for itself and fills anew at need.
	spare *spare
}

type spare struct {
	title string // of one, before its name
	lock  string // that is held by who works with one; "" is KIND.NAME
}

const usualRoom = 16 << 20

// kinds has a row for each kind about which there is something to say.
var kinds = map[string]kind{
	"apt":       {costly: true, spare: &spare{title: "index of "}},
	"bases":     {shared: true},
	"ccache":    {spare: &spare{title: "compiled files of ", lock: "source.compile"}},
	"debs":      {shared: true},
	"gocache":   {spare: &spare{title: "compiled suites of ", lock: "suites.compile"}},
	"images":    {shared: true},
	"objects":   {spare: &spare{title: "compiled files of "}},
	"roots":     {costly: true, shared: true, room: 450 << 20},
	"scripts":   {costly: true, shared: true, room: 300 << 20},
	"suites":    {shared: true},
	"templates": {room: 200 << 20},
	"trees":     {costly: true, shared: true, room: 500 << 20},
}
