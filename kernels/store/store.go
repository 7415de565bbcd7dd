// Package store keeps what is costly to make: folders that are made once, found again by their kind and id, checked
// whenever they are used, shared between processes, and removed when they take too much room.
//
// It must never know what is in them, nor import anything of the project; what it has to know of a kind is a row of kinds.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Store is a folder of entries. An entry is a folder that is made once, never
// changed afterwards, and found again by kind and id; several processes may share a store.
//
// Whoever fills an entry holds its lock, so a temporary folder whose lock is free belongs to nobody and is swept.
//
// What is found is what was stored: files at the top of an entry are read and their checksums compared each time, unless
// they are large; of files further down, which only trees and roots have, the largest are compared by size, and Verify
// reads the rest. The checksums find accidents, not malice: whoever can write to the store can write a manifest too.
type Store struct {
	dir    string
	shared string        // of another store, that is only read; "" for none
	made   *atomic.Int64 // bytes on the disk that this process added
}

// Entry is one folder of the store.
type Entry struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Title string    `json:"title"`           // what a person calls it: the first line of what SetTitle was given, else the ID
	Size  int64     `json:"bytes"`           // of its regular files
	Disk  int64     `json:"disk"`            // bytes that it takes on the disk: less than Size where files have holes
	Used  time.Time `json:"used"`            // when it was last made or found
	State State     `json:"state,omitempty"` // of Usage; zero in a List

	whole bool // its manifest can be read
}

// tempMark begins the name of a folder that is no entry yet, or no longer; the entry's id and a random word follow.
const tempMark = ".tmp."

// goodName keeps kinds and ids to plain file names that cannot be mistaken for temporary ones.
func goodName(s string) bool { return len(s) <= 200 && nameChars.MatchString(s) }

var nameChars = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+~=-]*$`)

// Open opens the store in dir, which it makes at need; "" means $MODMATRIX_CACHE, else modmatrix in the user's cache folder
// ($XDG_CACHE_HOME, ~/.cache). $MODMATRIX_SHARED names another store beside it, see Shared.
func Open(dir string) (*Store, error) {
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
	shared, err := sharedStore(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Store{dir, shared, new(atomic.Int64)}, nil
}

// Dir is where the store lives, an absolute path. Below it, a source may keep state of its own in a folder that no kind uses.
func (s *Store) Dir() string { return s.dir }

// Writable reports whether anything can be added to the store.
func (s *Store) Writable() bool { return unix.Access(s.dir, unix.W_OK) == nil }

func (s *Store) entry(kind, id string) string { return filepath.Join(s.dir, kind, id) }

func named(kind, id string) bool { return goodName(kind) && goodName(id) }

// Fill returns the folder of an entry and whether it was there already. Where it is missing or damaged, fill makes its
// content in an empty folder, which takes its place in one step when fill returns nil: nobody ever sees half an entry.
// Two callers of one entry wait for each other, as long as ctx lasts. An error of fill comes back, with the cure where the
// disk is full. A store that cannot be written serves what it has.
func (s *Store) Fill(ctx context.Context, kind, id string, fill func(dir string) error) (dir string, hit bool, err error) {
	if !named(kind, id) {
		return "", false, fmt.Errorf("fill %s/%s: not a name for the store", kind, id)
	}
	dir = s.entry(kind, id)
	shared, err := s.Lock(ctx, kind+"."+id, false)
	switch {
	case err == nil:
		hit = look(dir)
		shared()
	case IsReadOnly(err): // what nobody can write to, nobody removes either
		hit = look(dir)
	}
	if hit {
		return dir, true, nil
	}
	if theirs, hit := s.lookShared(kind, id); hit {
		return theirs, true, nil
	}
	if err != nil {
		return "", false, s.WithCure(err, kind)
	}
	lock, err := s.waitLock(ctx, kind+"."+id, true)
	if err != nil {
		return "", false, s.WithCure(err, kind)
	}
	defer s.unlock(lock)
	if look(dir) {
		return dir, true, nil
	}
	return dir, false, s.WithCure(s.make(kind, id, fill), kind)
}

// Look returns the folder of an entry, and whether it is there and whole. It makes nothing and waits for nobody: what
// is just being made or removed is not there.
func (s *Store) Look(kind, id string) (dir string, hit bool) {
	if !named(kind, id) {
		return "", false
	}
	dir = s.entry(kind, id)
	if s.lookOwn(dir, kind, id) {
		return dir, true
	}
	if theirs, hit := s.lookShared(kind, id); hit {
		return theirs, true
	}
	return dir, false
}

func (s *Store) lookOwn(dir, kind, id string) bool {
	if _, err := os.Lstat(filepath.Join(dir, manifestFile)); err != nil {
		return false
	}
	lock, err := s.tryLock(kind+"."+id, false)
	if lock == nil {
		return IsReadOnly(err) && look(dir)
	}
	defer s.unlock(lock)
	return look(dir)
}

func (s *Store) make(kind, id string, fill func(dir string) error) error {
	s.sweep(kind, id)
	err := os.MkdirAll(filepath.Join(s.dir, kind), 0o755)
	if err == nil {
		err = s.discard(kind, id)
	}
	var temp string
	if err == nil {
		temp, err = os.MkdirTemp(filepath.Join(s.dir, kind), tempMark+id+".")
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", kind, err)
	}
	err = s.fillTemp(temp, kind, id, fill)
	s.dropPartial(kind, id, err == nil)
	if err != nil {
		return errors.Join(err, RemoveTree(temp))
	}
	return nil
}

func (s *Store) fillTemp(temp, kind, id string, fill func(dir string) error) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	disk, err := writeManifest(temp, id)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.Rename(temp, s.entry(kind, id)); err != nil {
		return fmt.Errorf("put %s in place: %w", id, err)
	}
	s.made.Add(disk)
	return nil
}

// List returns all entries, sorted by kind and id.
func (s *Store) List() ([]Entry, error) {
	all, err := s.folders()
	return slices.DeleteFunc(all, func(e Entry) bool { return !e.whole }), err
}

// folders lists the entries, and what lies among them without a whole manifest and is made anew when it is asked for.
func (s *Store) folders() (all []Entry, err error) {
	paths, err := fs.Glob(os.DirFS(s.dir), "*/*")
	if err != nil {
		return nil, fmt.Errorf("list the store: %w", err)
	}
	slices.Sort(paths)
	filled := map[string]bool{}
	for _, path := range paths {
		kind, id := filepath.Dir(path), filepath.Base(path)
		if !named(kind, id) {
			continue
		}
		e := Entry{Kind: kind, ID: id, Title: id}
		if info, err := os.Lstat(filepath.Join(s.dir, path, manifestFile)); err == nil {
			e.Used = info.ModTime()
		}
		if m, err := readManifest(filepath.Join(s.dir, path)); err == nil && !e.Used.IsZero() {
			e.Title, e.Size, e.Disk, e.whole = m.Title, m.Size, m.Disk, true
			filled[kind] = true
		}
		all = append(all, e)
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return e.Used.IsZero() && !filled[e.Kind] }), nil
}

// Remove deletes an entry; one that is not there is no error. An entry that is just being made is left alone and is an error.
func (s *Store) Remove(e Entry) error {
	if !named(e.Kind, e.ID) {
		return fmt.Errorf("remove %s/%s: not a name of the store", e.Kind, e.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*lockPoll)
	defer cancel()
	lock, err := s.waitLock(ctx, e.Kind+"."+e.ID, true)
	if err != nil {
		return fmt.Errorf("remove %s/%s: it is in use: %w", e.Kind, e.ID, err)
	}
	defer s.unlock(lock)
	return s.discard(e.Kind, e.ID)
}

// discard takes an entry out of sight in one step and deletes it, with its lock held. It needs no room on the disk.
func (s *Store) discard(kind, id string) error {
	grave := s.entry(kind, tempMark+id+"."+rand.Text())
	err := os.Rename(s.entry(kind, id), grave)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = RemoveTree(grave)
	}
	if err != nil {
		return fmt.Errorf("remove %s/%s: %w", kind, id, err)
	}
	return nil
}

// sweep deletes the temporary folders of a kind that nobody fills any more, as far as it can; held is the id whose lock the caller has.
func (s *Store) sweep(kind, held string) {
	temps, _ := filepath.Glob(s.entry(kind, tempMark+"*"))
	for _, temp := range temps {
		id := tempID(temp)
		if id == held && id != "" {
			_ = RemoveTree(temp)
		} else if goodName(id) {
			if lock, _ := s.tryLock(kind+"."+id, true); lock != nil {
				_ = RemoveTree(temp)
				s.unlock(lock)
			}
		}
	}
}

func tempID(temp string) string {
	id := strings.TrimPrefix(filepath.Base(temp), tempMark)
	return id[:max(strings.LastIndexByte(id, '.'), 0)]
}
