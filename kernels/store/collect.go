package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
)

// DefaultMax is how large a store may grow, in bytes on the disk, unless its user sets another size.
const DefaultMax = 20 << 30

// Max is how large a store may grow, in bytes on the disk: $MODMATRIX_CACHE_MAX (20G, 500MiB), else DefaultMax.
// 0 is without limit.
func Max() (int64, error) {
	text := os.Getenv("MODMATRIX_CACHE_MAX")
	if text == "" {
		return DefaultMax, nil
	}
	n, err := ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("MODMATRIX_CACHE_MAX: %w", err)
	}
	return n, nil
}

// ParseSize reads a number of bytes as people write it: 20G is 20,000,000,000, and 20GiB is 20×2³⁰.
func ParseSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || int64(n) < 0 {
		return 0, fmt.Errorf("%q is no size; write 20G, 500MiB, or 0 for no limit", text)
	}
	return int64(n), nil
}

// costlyBonus is how much younger a costly entry counts than it is.
const costlyBonus = 24 * time.Hour

// Limits say what Collect leaves. The zero value removes nothing but what killed processes left behind.
type Limits struct {
	MaxBytes int64     // of the Kinds, or else of the whole store, on the disk; 0: no limit
	Before   time.Time // entries that were not used since go; zero: none go for their age
	Kinds    []string  // of the entries that may go; empty: all
	DryRun   bool      // only report
	// Keep reports what stays whatever the limits ask for; nil: nothing.
	Keep func(Entry) bool
}

// Collection is what Collect did.
type Collection struct {
	Gone []Entry // removed, in this order
	Kept []Entry // not removed though a limit asks for it: a living run or another process has them
	Held []Entry // not removed though a limit asks for it, because Limits.Keep says so
	Left int64   // bytes on the disk of what is still there, of the kinds that the limits are for
}

// Collect removes entries until the limits hold, those first that were not used for the longest time. What comes over the
// network counts a day younger than it is. What a living run has asked for stays.
func (s *Store) Collect(ctx context.Context, lim Limits) (Collection, error) {
	var c Collection
	if !lim.DryRun {
		if err := s.sweepAll(); err != nil {
			return c, fmt.Errorf("collect: %w", err)
		}
	}
	all, err := s.Usage()
	if err != nil {
		return c, fmt.Errorf("collect: %w", err)
	}
	for _, e := range all {
		if lim.concern(e) {
			c.Left += e.Disk
		}
	}
	slices.SortStableFunc(all, byWorth)
	var errs []error
	for _, e := range all {
		if !lim.want(e, c.Left) {
			continue
		}
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		if lim.Keep != nil && lim.Keep(e) {
			c.Held = append(c.Held, e)
			continue
		}
		ok, err := e.State != InUse, error(nil)
		if ok && !lim.DryRun {
			ok, err = s.evict(e)
		}
		errs = append(errs, err)
		if !ok {
			c.Kept = append(c.Kept, e)
			continue
		}
		c.Left -= e.Disk
		c.Gone = append(c.Gone, e)
	}
	return c, errors.Join(errs...)
}

func (l Limits) want(e Entry, left int64) bool {
	mayGo := []State{"", InUse, Unfinished, Spare}
	if !slices.Contains(mayGo, e.State) || e.Kind == workKind {
		return false
	}
	if !l.concern(e) {
		return false
	}
	if e.State == Unfinished && time.Since(e.Used) > partialAge {
		return true
	}
	return l.MaxBytes > 0 && left > l.MaxBytes || e.Used.Before(l.Before)
}

func (l Limits) concern(e Entry) bool { return len(l.Kinds) == 0 || slices.Contains(l.Kinds, e.Kind) }

func byWorth(a, b Entry) int {
	worth := func(e Entry) time.Time {
		if kinds[e.Kind].costly {
			return e.Used.Add(costlyBonus)
		}
		return e.Used
	}
	return cmp.Or(worth(a).Compare(worth(b)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

// evict removes an entry unless somebody wants it now. The mark of its use is made under the lock, so what is read there is the last word.
func (s *Store) evict(e Entry) (gone bool, err error) {
	lock, err := s.tryLock(lockOf(e), true)
	if lock == nil {
		return false, err
	}
	defer s.unlock(lock)
	if e.State != Unfinished && e.State != Spare {
		info, err := os.Stat(filepath.Join(s.entry(e.Kind, e.ID), manifestFile))
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		if err != nil || info.ModTime().After(e.Used) {
			return false, err
		}
	}
	err = s.discard(e.Kind, e.ID)
	return err == nil, err
}

// lockOf names the lock that is held by whoever works with e. A download has that of the entry that it is for.
func lockOf(e Entry) string {
	switch spare := kinds[e.Kind].spare; {
	case e.State == Unfinished:
		return e.ID
	case spare != nil && spare.lock != "":
		return spare.lock
	}
	return e.Kind + "." + e.ID
}

func (s *Store) sweepAll() error {
	kinds, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if k.IsDir() && k.Name() != lockDir {
			s.sweep(k.Name(), "")
		}
	}
	return s.sweepWork(context.Background())
}

const (
	// trimFile says when Trim last looked at the store, and with which limit.
	trimFile = ".trimmed"
	// trimAfter and trimBytes spare most runs a look at every entry, of which there may be thousands: it is due when
	// this time has passed, or when this process made that much.
	trimAfter = time.Hour
	trimBytes = 256 << 20
)

// Trim brings the store below limit bytes on the disk, as far as what living runs use allows; 0 leaves it as it is. It
// is meant for the end of every run: when the last look was an hour ago or less and little was made since, it does nothing.
func (s *Store) Trim(limit int64) (Collection, error) {
	if limit <= 0 {
		return Collection{}, nil
	}
	path, mark := filepath.Join(s.dir, trimFile), fmt.Sprintln(limit)
	if s.made.Load() < trimBytes {
		text, _ := os.ReadFile(path)
		info, err := os.Stat(path)
		if err == nil && string(text) == mark && time.Since(info.ModTime()).Abs() < trimAfter {
			return Collection{}, nil
		}
	}
	s.made.Store(0)
	c, err := s.Collect(context.Background(), Limits{MaxBytes: limit})
	if err != nil {
		return c, err
	}
	return c, os.WriteFile(path, []byte(mark), 0o644)
}
