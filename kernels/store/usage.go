package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// State says why something in the store stays there; the zero value is an entry that nobody needs at the moment.
type State string

// The states.
const (
	InUse      State = "in use"      // a run that lives has asked for it
	Making     State = "being made"  // a process that lives fills it
	LeftBehind State = "left behind" // by a process that was killed; the next Collect removes it
	Unfinished State = "unfinished"  // a download that was cut off; the next one goes on from there
	Spare      State = "spare"       // what a source keeps for itself and fills anew at need: an archive's index, a compiler's cache
	Private    State = "private"     // a note that somebody keeps: a probe's answer
)

// Usage returns everything that takes room in the store, sorted by kind and id: the entries, what is being made or was left
// behind, work folders, and what sources keep for themselves. An ID is empty where a whole folder is meant.
func (s *Store) Usage() ([]Entry, error) {
	work, _ := os.ReadDir(filepath.Join(s.dir, workKind)) // before the runs: the folder of a later one would look dead
	live, err := s.liveRuns()
	if err != nil {
		return nil, err
	}
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	filled := map[string]bool{}
	for i, e := range all {
		filled[e.Kind] = true
		if live.use(e) {
			all[i].State = InUse
		}
		if e.Disk == 0 {
			_, all[i].Disk, _ = takeStock(context.Background(), filepath.Join(s.dir, e.Kind, e.ID), false)
		}
	}
	folders, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		name := f.Name()
		switch {
		case !f.IsDir() || name == lockDir:
		case name == workKind:
			all = append(all, s.workFolders(work, live)...)
		case name == partialKind:
			all = append(all, append(s.partials(), s.temps(name)...)...)
		case kinds[name].spare != nil:
			all = append(all, append(s.spareFolders(name), s.temps(name)...)...)
		case filled[name]:
			all = append(all, s.temps(name)...)
		default:
			all = append(all, s.otherFolder(name)...)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// otherFolder is a folder without one entry: a kind whose first is just being made, or what a source keeps.
func (s *Store) otherFolder(name string) []Entry {
	if temps := s.temps(name); len(temps) > 0 {
		return temps
	}
	e := s.folder(name, "", Private)
	if e.Size == 0 {
		return nil
	}
	return []Entry{e}
}

func (s *Store) temps(kind string) []Entry {
	var entries []Entry
	paths, _ := filepath.Glob(filepath.Join(s.dir, kind, tempMark+"*"))
	for _, path := range paths {
		state := Making
		if lock, _ := s.tryLock(kind+"."+tempID(path), true); lock != nil {
			state = LeftBehind
			s.unlockEntry(lock, kind, tempID(path))
		}
		if e := s.folder(kind, filepath.Base(path), state); !e.Used.IsZero() {
			entries = append(entries, e)
		}
	}
	return entries
}

func (s *Store) workFolders(folders []os.DirEntry, live liveRuns) []Entry {
	var entries []Entry
	for _, f := range folders {
		state := LeftBehind
		if live.ids[f.Name()] {
			state = InUse
		}
		if e := s.folder(workKind, f.Name(), state); !e.Used.IsZero() {
			entries = append(entries, e)
		}
	}
	return entries
}

// folder measures what is no entry. Files that vanish meanwhile do not count; when the folder has, nobody Used it.
func (s *Store) folder(kind, id string, state State) Entry {
	dir := filepath.Join(s.dir, kind, id)
	e := Entry{Kind: kind, ID: id, Title: cmp.Or(strings.TrimPrefix(id, tempMark), kind), State: state}
	items, disk, _ := takeStock(context.Background(), dir, false)
	for _, i := range items {
		e.Size += i.Size
	}
	if info, err := os.Stat(dir); err == nil {
		e.Used = info.ModTime()
	}
	e.Disk = disk
	return e
}

// liveRuns are the runs that live now: those that hold the lock of their work folder.
type liveRuns struct {
	ids    map[string]bool
	oldest time.Time // when the first of them began
}

// use reports whether a run that lives may be using e. Whatever a run uses it has asked for since it began, and that left
// its mark on e.
func (l liveRuns) use(e Entry) bool { return len(l.ids) > 0 && !e.Used.Before(l.oldest) }

func (s *Store) liveRuns() (liveRuns, error) {
	live := liveRuns{ids: map[string]bool{}}
	unlock, err := s.Lock(context.Background(), workKind, true)
	if isReadOnly(err) {
		return live, nil
	}
	if err != nil {
		return live, err
	}
	defer unlock()
	paths, err := filepath.Glob(s.workLock("*"))
	for _, path := range paths {
		lock, lockErr := s.tryLock(filepath.Base(path), true)
		if lock != nil {
			_ = lock.Close()
			continue
		}
		info, statErr := os.Stat(path)
		if errors.Is(statErr, fs.ErrNotExist) {
			continue // it ended just now
		}
		if err = errors.Join(err, lockErr, statErr); err != nil {
			return live, err
		}
		live.ids[strings.TrimPrefix(filepath.Base(path), workKind+".")] = true
		if live.oldest.IsZero() || info.ModTime().Before(live.oldest) {
			live.oldest = info.ModTime()
		}
	}
	return live, err
}
