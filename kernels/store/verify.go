package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// Damage is an entry that is not what was stored, or that could not be read.
type Damage struct {
	Entry
	What string `json:"what"`           // the first file that is wrong, and how many more
	Kept string `json:"left,omitempty"` // why it is still there; empty when it was discarded
}

// Verify reads every file of every entry and compares it with what was stored. What is damaged is discarded, to be made anew
// when it is next asked for; what a living run uses or this user cannot read or remove stays, and Kept says why. report,
// which may be nil, hears of each entry before it is read.
func (s *Store) Verify(ctx context.Context, report func(Entry)) (checked int, damaged []Damage, err error) {
	entries, err := s.folders()
	if err != nil {
		return 0, nil, fmt.Errorf("verify the store: %w", err)
	}
	for _, e := range entries {
		if report != nil {
			report(e)
		}
		what, err := s.verify(ctx, e)
		if ctx.Err() != nil {
			return checked, damaged, ctx.Err()
		}
		checked++
		mended := what == ""
		if err == nil && !mended {
			mended, err = s.mend(ctx, e)
		}
		if err != nil {
			damaged = append(damaged, Damage{e, what, err.Error()})
		} else if !mended {
			damaged = append(damaged, Damage{Entry: e, What: what})
		}
	}
	return checked, damaged, nil
}

// verify says what is wrong with an entry, under its lock; nothing is with one that is just being made or removed.
func (s *Store) verify(ctx context.Context, e Entry) (string, error) {
	lock, err := s.tryLock(e.Kind+"."+e.ID, false)
	if lock != nil {
		defer s.unlock(lock)
	} else if !IsReadOnly(err) {
		return "", err
	}
	return s.compare(ctx, e)
}

func (s *Store) compare(ctx context.Context, e Entry) (string, error) {
	dir := s.entry(e.Kind, e.ID)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	m, err := readManifest(dir)
	if errors.Is(err, fs.ErrPermission) {
		return "", err
	}
	if err != nil {
		return "its manifest", nil
	}
	if wrong := m.watch(dir); wrong != "" {
		return wrong, nil
	}
	is, _, err := takeStock(ctx, dir, true)
	if err != nil {
		return "", err
	}
	was, err := readStock(dir, m.Stock)
	if err != nil {
		return "its list of files", nil
	}
	return difference(was, is), nil
}

func difference(was, is map[string]item) string {
	wrong := map[string]string{}
	for path, w := range was {
		i, ok := is[path]
		switch {
		case !ok:
			wrong[path] = "is missing"
		case i.Size != w.Size || i.Link != w.Link:
			wrong[path] = fmt.Sprintf("has %d bytes instead of %d", i.Size, w.Size)
		case i.Sum == unreadable:
			wrong[path] = "cannot be read from the disk"
		case i.Sum != w.Sum && i.Sum != "" && w.Sum != "":
			wrong[path] = "has changed"
		}
	}
	for path := range is {
		if _, ok := was[path]; !ok {
			wrong[path] = "does not belong there"
		}
	}
	paths := slices.Sorted(maps.Keys(wrong))
	switch len(paths) {
	case 0:
		return ""
	case 1:
		return paths[0] + " " + wrong[paths[0]]
	}
	return fmt.Sprintf("%s %s, and %d more", paths[0], wrong[paths[0]], len(paths)-1)
}

// mend discards an entry that is still damaged once its lock is held; otherwise another process mended it first.
func (s *Store) mend(ctx context.Context, e Entry) (mended bool, err error) {
	live, err := s.liveRuns()
	if err != nil {
		return false, err
	}
	if live.use(e) {
		return false, errors.New("a run uses it; verify again after it")
	}
	lock, err := s.tryLock(e.Kind+"."+e.ID, true)
	if lock == nil {
		return false, cmp.Or(err, errors.New("another process has it; verify again later"))
	}
	defer s.unlock(lock)
	if what, err := s.compare(ctx, e); err != nil || what == "" {
		return true, err
	}
	return false, s.discard(e.Kind, e.ID)
}
