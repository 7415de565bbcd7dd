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
	Unfinished State = "unfinished"  // a download that was cut off; the next one continues from there
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
	filled := map[string]bool{workKind: true, partialKind: true, lockDir: true} // kinds of which no folder counts as a whole
	for i, e := range all {
		filled[e.Kind] = true
		if live.use(e) {
			all[i].State = InUse
		}
	}
	folders, err := os.ReadDir(s.dir)
	for _, f := range folders {
		kind := f.Name()
		inside, _ := os.ReadDir(filepath.Join(s.dir, kind))
		empty := true
		for _, d := range inside {
			isOld := slices.ContainsFunc(work, func(f os.DirEntry) bool { return f.Name() == d.Name() })
			if title, state := s.stateOf(kind, d.Name(), live, isOld); state != "" {
				if e := s.folder(kind, d.Name(), state); !e.Used.IsZero() {
					e.Title, empty = cmp.Or(title, e.Title), false
					all = append(all, e)
				}
			}
		}
		if f.IsDir() && empty && !filled[kind] && kinds[kind].spare == nil {
			if e := s.folder(kind, "", Private); e.Size > 0 { // what a source keeps
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return all, err
}

// stateOf says what a folder without a manifest is, if it matters, and its title. isOld is a work folder that was there before live was.
func (s *Store) stateOf(kind, name string, live liveRuns, isOld bool) (title string, state State) {
	held := func(lock string, otherwise State) State {
		if s.free(lock) {
			return otherwise
		}
		return Making
	}
	switch {
	case kind == workKind && live.ids[name]:
		return "", InUse
	case kind == workKind && isOld:
		return "", LeftBehind
	case kind == workKind:
	case strings.HasPrefix(name, tempMark):
		return "", held(kind+"."+tempID(name), LeftBehind)
	case !goodName(name):
	case kind == partialKind:
		return titleOf(s.entry(kind, name), name), held(name, Unfinished)
	case kinds[kind].spare != nil:
		return kinds[kind].spare.title + name, Spare
	}
	return "", ""
}

// folder measures what is no entry. Files that vanish meanwhile do not count; when the folder has, nobody Used it.
func (s *Store) folder(kind, id string, state State) Entry {
	dir := s.entry(kind, id)
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

type liveRuns struct {
	ids    map[string]bool
	oldest time.Time // when the first of them began
}

// use reports whether a run that lives may be using e: whatever a run uses it has asked for, and so marked, since it began.
func (l liveRuns) use(e Entry) bool { return len(l.ids) > 0 && !e.Used.Before(l.oldest) }

func (s *Store) liveRuns() (liveRuns, error) {
	live := liveRuns{ids: map[string]bool{}}
	unlock, err := s.Lock(context.Background(), workKind, true)
	if IsReadOnly(err) {
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
