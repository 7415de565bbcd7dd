package kernels

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Store keeps what is costly to make: roots, trees, guest images, builds. An entry is a folder that is made once, never
// changed afterwards, and found again by kind and id; several processes may share a store.
//
// Whoever fills an entry holds its lock, so a temporary folder whose lock is free belongs to nobody and is swept. The lock
// files are empty and stay: removing one would let two processes hold "the" lock.
type Store struct {
	dir string
}

// Entry is one folder of the store.
type Entry struct {
	Kind, ID string
	Title    string    // what a person calls it: the first line of the entry's TitleFile, else the ID
	Size     int64     // bytes of its regular files
	Used     time.Time // when it was last made or found
}

// TitleFile may be written by a fill function into its folder, to say in one line what the entry is.
const TitleFile = ".title"

const (
	tempMark = ".tmp."
	lockDir  = ".locks"
	lockPoll = 50 * time.Millisecond
)

// goodName keeps kinds and ids to plain file names that can be told from temporary ones.
var goodName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+~=-]{0,199}$`)

// OpenStore opens the store in dir, made at need; "" means $MODMATRIX_CACHE, else modmatrix in the user's cache folder
// ($XDG_CACHE_HOME, ~/.cache).
func OpenStore(dir string) (*Store, error) {
	if dir == "" {
		dir = os.Getenv("MODMATRIX_CACHE")
	}
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache folder: %w; set MODMATRIX_CACHE to a folder", err)
		}
		dir = filepath.Join(cache, "modmatrix")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, lockDir), 0o755); err != nil {
		return nil, fmt.Errorf("open store: %w; MODMATRIX_CACHE names another folder", err)
	}
	return &Store{dir}, nil
}

// Dir is where the store lives, an absolute path. Below it, a source may keep state of its own in a folder that no kind uses.
func (s *Store) Dir() string { return s.dir }

// Lock takes the store's lock called name, shared or exclusive, and waits for it until ctx ends.
func (s *Store) Lock(ctx context.Context, name string, exclusive bool) (unlock func(), err error) {
	lock := flock.New(filepath.Join(s.dir, lockDir, name))
	try := lock.TryRLockContext
	if exclusive {
		try = lock.TryLockContext
	}
	if _, err := try(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("lock %s in the store: %w", name, err)
	}
	return func() { _ = lock.Close() }, nil
}

// Fill returns the folder of an entry and whether it was there already. Where it is missing or damaged, fill makes its
// content in an empty folder, which takes its place in one step when fill returns nil: nobody ever sees half an entry.
// Two callers of one entry wait for each other, as long as ctx lasts. An error of fill comes back as it is.
func (s *Store) Fill(ctx context.Context, kind, id string, fill func(dir string) error) (dir string, hit bool, err error) {
	if !goodName.MatchString(kind) || !goodName.MatchString(id) {
		return "", false, fmt.Errorf("fill %s/%s: not a name for the store", kind, id)
	}
	dir = filepath.Join(s.dir, kind, id)
	unlock, err := s.Lock(ctx, kind+"."+id, false)
	if err != nil {
		return "", false, err
	}
	hit = look(dir)
	unlock()
	if hit {
		return dir, true, nil
	}
	unlock, err = s.Lock(ctx, kind+"."+id, true)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	if look(dir) {
		return dir, true, nil
	}
	return dir, false, s.make(dir, kind, id, fill)
}

// Look returns the folder of an entry, and whether it is there and whole. It makes nothing and waits for nobody.
func (s *Store) Look(kind, id string) (dir string, hit bool) {
	if !goodName.MatchString(kind) || !goodName.MatchString(id) {
		return "", false
	}
	dir = filepath.Join(s.dir, kind, id)
	return dir, look(dir)
}

// make fills a new entry, with its lock held.
func (s *Store) make(dir, kind, id string, fill func(dir string) error) error {
	s.sweep(kind, id)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make %s: %w", kind, err)
	}
	if _, err := os.Lstat(dir); err == nil {
		if err := s.discard(dir, kind, id); err != nil {
			return err
		}
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), tempMark+id+".")
	if err != nil {
		return fmt.Errorf("make %s: %w", kind, err)
	}
	err = fillTemp(temp, dir, id, fill)
	if err != nil {
		return errors.Join(err, RemoveTree(temp))
	}
	return nil
}

func fillTemp(temp, dir, id string, fill func(dir string) error) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	if err := writeManifest(temp, id); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("put %s in place: %w", id, err)
	}
	return nil
}

// List returns all entries, sorted by kind and id.
func (s *Store) List() ([]Entry, error) {
	manifests, err := fs.Glob(os.DirFS(s.dir), "*/*/"+manifestFile)
	if err != nil {
		return nil, fmt.Errorf("list the store: %w", err)
	}
	slices.Sort(manifests)
	var entries []Entry
	for _, path := range manifests {
		kind, id := filepath.Base(filepath.Dir(filepath.Dir(path))), filepath.Base(filepath.Dir(path))
		if !goodName.MatchString(kind) || !goodName.MatchString(id) {
			continue
		}
		full := filepath.Join(s.dir, path)
		m, err := readManifest(full)
		info, statErr := os.Stat(full)
		if errors.Join(err, statErr) != nil {
			continue // another process removed it just now, or it is damaged and will be made anew when asked for
		}
		entries = append(entries, Entry{Kind: kind, ID: id, Title: m.Title, Size: m.Size, Used: info.ModTime()})
	}
	return entries, nil
}

// Remove deletes an entry; one that is not there is no error. An entry that is just being made is left alone and is an error.
func (s *Store) Remove(e Entry) error {
	if !goodName.MatchString(e.Kind) || !goodName.MatchString(e.ID) {
		return fmt.Errorf("remove %s/%s: not a name of the store", e.Kind, e.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*lockPoll)
	defer cancel()
	unlock, err := s.Lock(ctx, e.Kind+"."+e.ID, true)
	if err != nil {
		return fmt.Errorf("remove %s/%s: it is in use: %w", e.Kind, e.ID, err)
	}
	defer unlock()
	return s.discard(filepath.Join(s.dir, e.Kind, e.ID), e.Kind, e.ID)
}

// discard takes an entry out of sight in one step and deletes it, with its lock held.
func (s *Store) discard(dir, kind, id string) error {
	grave, err := os.MkdirTemp(filepath.Dir(dir), tempMark+id+".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.Rename(dir, filepath.Join(grave, "old"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err = errors.Join(err, RemoveTree(grave)); err != nil {
		return fmt.Errorf("remove %s/%s: %w", kind, id, err)
	}
	return nil
}

// sweep deletes the temporary folders of a kind that nobody fills any more; held is the id whose lock the caller has.
// What cannot be deleted now is left for the next sweep.
func (s *Store) sweep(kind, held string) {
	temps, _ := filepath.Glob(filepath.Join(s.dir, kind, tempMark+"*"))
	for _, temp := range temps {
		id := strings.TrimPrefix(filepath.Base(temp), tempMark)
		id = id[:max(strings.LastIndexByte(id, '.'), 0)]
		if id == held {
			_ = RemoveTree(temp)
			continue
		}
		lock := flock.New(filepath.Join(s.dir, lockDir, kind+"."+id))
		if ok, err := lock.TryLock(); ok && err == nil {
			_ = RemoveTree(temp)
		}
		_ = lock.Close()
	}
}
