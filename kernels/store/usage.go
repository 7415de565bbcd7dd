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
			all = append(all, s.inFolder(name, func(id string) (string, State) {
				switch {
				case live.ids[id]:
					return "", InUse
				case slices.ContainsFunc(work, func(f os.DirEntry) bool { return f.Name() == id }):
					return "", LeftBehind
				}
				return "", ""
			})...)
		case name == partialKind:
			all = append(all, append(s.partials(), s.temps(name)...)...)
		case kinds[name].spare != nil:
			all = append(all, append(s.spares(name), s.temps(name)...)...)
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

// inFolder lists what is in the folder of a kind and has no manifest: of each name, describe says what it is, or nothing.
func (s *Store) inFolder(kind string, describe func(name string) (title string, state State)) []Entry {
	dirs, _ := os.ReadDir(filepath.Join(s.dir, kind))
	var entries []Entry
	for _, d := range dirs {
		title, state := describe(d.Name())
		if state == "" {
			continue
		}
		if e := s.folder(kind, d.Name(), state); !e.Used.IsZero() {
			e.Title = cmp.Or(title, e.Title)
			entries = append(entries, e)
		}
	}
	return entries
}

// spares lists the spare folders of a kind.
func (s *Store) spares(kind string) []Entry {
	return s.inFolder(kind, func(name string) (string, State) {
		if !goodName.MatchString(name) {
			return "", ""
		}
		return kinds[kind].spare.title + name, Spare
	})
}

func (s *Store) temps(kind string) []Entry {
	return s.inFolder(kind, func(name string) (string, State) {
		if !strings.HasPrefix(name, tempMark) {
			return "", ""
		}
		lock, _ := s.tryLock(kind+"."+tempID(name), true)
		if lock == nil {
			return "", Making
		}
		s.unlockEntry(lock, kind, tempID(name))
		return "", LeftBehind
	})
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
