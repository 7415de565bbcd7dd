package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// put makes an entry of so many bytes that was used so long ago.
func put(t *testing.T, s *Store, name string, bytes int, ago time.Duration) {
	t.Helper()
	kind, id, _ := strings.Cut(name, "/")
	dir, _, err := s.Fill(t.Context(), kind, id, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "content"), []byte(strings.Repeat("x", bytes)), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	used := time.Now().Add(-ago)
	if err := os.Chtimes(filepath.Join(dir, manifestFile), used, used); err != nil {
		t.Fatal(err)
	}
}

func names(entries []Entry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Kind+"/"+e.ID)
	}
	return strings.Join(out, " ")
}

func held(t *testing.T, s *Store) string {
	t.Helper()
	entries, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	return names(entries)
}

const mega = 1 << 20

func TestCollectEvictsTheLeastUsedFirst(t *testing.T) {
	const hour = time.Hour
	for name, tt := range map[string]struct {
		lim  Limits
		gone string
	}{
		"nothing asked":    {Limits{}, ""},
		"room for all":     {Limits{MaxBytes: 100 * mega}, ""},
		"one too many":     {Limits{MaxBytes: 5*mega + mega/2}, "cells/b"},
		"two too many":     {Limits{MaxBytes: 4*mega + mega/2}, "cells/b templates/a"},
		"all that is made": {Limits{MaxBytes: 2*mega + mega/2}, "cells/b templates/a builds/c images/d"},
		"trees go last":    {Limits{MaxBytes: 1*mega + mega/2}, "cells/b templates/a builds/c images/d trees/e"},
		"no room at all":   {Limits{MaxBytes: 1}, "cells/b templates/a builds/c images/d trees/e roots/f"},
		"too old":          {Limits{Before: time.Now().Add(-9 * hour)}, "cells/b templates/a trees/e roots/f"},
		"trees and roots":  {Limits{MaxBytes: mega + mega/2, Kinds: []string{"trees", "roots"}}, "trees/e"},
		"held":             {Limits{MaxBytes: 1, Keep: func(e Entry) bool { return e.Kind == "trees" }}, "cells/b templates/a builds/c images/d roots/f"},
		"too old, kinds":   {Limits{Before: time.Now().Add(-9 * hour), Kinds: []string{"trees", "roots"}}, "trees/e roots/f"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			put(t, s, "templates/a", mega, 10*hour)
			put(t, s, "cells/b", mega, 11*hour)
			put(t, s, "builds/c", mega, 8*hour)
			put(t, s, "images/d", mega, 7*hour)
			put(t, s, "trees/e", mega, 12*hour)
			put(t, s, "roots/f", mega, 10*hour)
			before := held(t, s)
			dry := tt.lim
			dry.DryRun = true
			c, err := s.Collect(t.Context(), dry)
			if err != nil || names(c.Gone) != tt.gone || held(t, s) != before {
				t.Fatalf("dry run: gone %q, want %q; held %s; %v", names(c.Gone), tt.gone, held(t, s), err)
			}
			c, err = s.Collect(t.Context(), tt.lim)
			if err != nil || names(c.Gone) != tt.gone || len(c.Kept) > 0 {
				t.Fatalf("gone %q, want %q; kept %v; %v", names(c.Gone), tt.gone, c.Kept, err)
			}
			for _, e := range c.Gone {
				if strings.Contains(held(t, s), e.Kind+"/"+e.ID) {
					t.Errorf("%s/%s is still there", e.Kind, e.ID)
				}
				if _, err := os.Stat(s.lockPath(e.Kind + "." + e.ID)); err == nil {
					t.Errorf("the lock of %s/%s is still there", e.Kind, e.ID)
				}
			}
			noTemps(t, s)
		})
	}
}

func TestTrimKeepsTheStoreBelowItsCap(t *testing.T) {
	s := newStore(t)
	for i := range 20 {
		put(t, s, fmt.Sprintf("builds/b%02d", i), mega, time.Duration(20-i)*time.Minute)
	}
	if c, err := s.Trim(0); err != nil || len(c.Gone) > 0 {
		t.Fatal("0 is no limit:", c, err)
	}
	c, err := s.Trim(5*mega + mega/2)
	if err != nil || held(t, s) != "builds/b15 builds/b16 builds/b17 builds/b18 builds/b19" || c.Left > 5*mega+mega/2 {
		t.Fatal(held(t, s), c.Left, err)
	}
	if _, hit := s.Look("builds", "b19"); !hit {
		t.Error("what stayed is not found")
	}
	put(t, s, "builds/c", mega, time.Minute)
	if c, err := s.Trim(5*mega + mega/2); err != nil || len(c.Gone) > 0 {
		t.Error("it looked again, and little was made:", names(c.Gone), err)
	}
	s.made.Add(trimBytes)
	if c, err := s.Trim(5*mega + mega/2); err != nil || names(c.Gone) != "builds/b15" {
		t.Error("much was made:", names(c.Gone), err)
	}
	if c, err := s.Trim(4*mega + mega/2); err != nil || names(c.Gone) != "builds/b16" {
		t.Error("another limit:", names(c.Gone), err)
	}
	put(t, s, "builds/d", mega, time.Minute)
	old := time.Now().Add(-2 * trimAfter)
	if err := os.Chtimes(filepath.Join(s.Dir(), trimFile), old, old); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Trim(4*mega + mega/2); err != nil || names(c.Gone) != "builds/b17" {
		t.Error("long ago:", names(c.Gone), err)
	}
}

func TestWhatALivingRunAskedForStays(t *testing.T) {
	s := newStore(t)
	put(t, s, "trees/used", mega, 10*time.Hour)
	put(t, s, "trees/idle", mega, time.Hour)
	_, release, err := s.WorkDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, hit := s.Look("trees", "used"); !hit {
		t.Fatal("not found")
	}
	c, err := s.Collect(t.Context(), Limits{MaxBytes: 1})
	if err != nil || names(c.Gone) != "trees/idle" || names(c.Kept) != "trees/used" || c.Left < mega {
		t.Fatalf("gone %s, kept %s, left %d, %v", names(c.Gone), names(c.Kept), c.Left, err)
	}
	all, err := s.Usage()
	if err != nil || !slices.ContainsFunc(all, func(e Entry) bool { return e.Kind == "trees" && e.ID == "used" && e.State == InUse }) {
		t.Errorf("%+v %v", all, err)
	}
	release()
	if c, err = s.Collect(t.Context(), Limits{MaxBytes: 1}); err != nil || names(c.Gone) != "trees/used" {
		t.Errorf("after the run: gone %s, %v", names(c.Gone), err)
	}
}

func TestAnEntryThatIsFoundMeanwhileStays(t *testing.T) {
	s := newStore(t)
	put(t, s, "builds/x", 1, time.Hour)
	entries, err := s.List()
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if _, hit := s.Look("builds", "x"); !hit {
		t.Fatal("not found")
	}
	if gone, err := s.evict(entries[0]); gone || err != nil {
		t.Error("it was used after it was listed:", gone, err)
	}
	unlock, err := s.Lock(t.Context(), "builds.x", false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	entries, _ = s.List()
	if gone, err := s.evict(entries[0]); gone || err != nil {
		t.Error("somebody reads it:", gone, err)
	}
}

// TestALockOnAFileThatIsGoneIsNone: between opening a lock's file and locking it, its owner may have removed it.
func TestALockOnAFileThatIsGoneIsNone(t *testing.T) {
	s := newStore(t)
	lock, err := s.tryLock("builds.x", true)
	if lock == nil || err != nil || !isCurrent(lock) {
		t.Fatal(lock, err)
	}
	defer lock.Close()
	if err := os.Remove(lock.Path()); err != nil {
		t.Fatal(err)
	}
	if isCurrent(lock) {
		t.Error("its file is gone")
	}
	another, err := s.tryLock("builds.x", true)
	if another == nil || err != nil {
		t.Fatal("the name is free:", err)
	}
	defer another.Close()
	if isCurrent(lock) || !isCurrent(another) {
		t.Error("its file is another's")
	}
}

func TestCollectEndsWithItsContext(t *testing.T) {
	s := newStore(t)
	put(t, s, "builds/x", 1, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Collect(ctx, Limits{MaxBytes: 1}); err == nil || held(t, s) != "builds/x" {
		t.Error(err, held(t, s))
	}
}

// TestSparesGoWhenNobodyWorksWithThem: an index and a compiler's cache count, and go by age and size as entries do.
func TestSparesGoWhenNobodyWorksWithThem(t *testing.T) {
	s := newStore(t)
	write(t, filepath.Join(s.Dir(), "apt/trixie/lists"), strings.Repeat("x", mega))
	write(t, filepath.Join(s.Dir(), "apt/sid/lists"), strings.Repeat("x", mega))
	write(t, filepath.Join(s.Dir(), "ccache/00aa/0/x"), strings.Repeat("x", mega))
	old := time.Now().Add(-40 * 24 * time.Hour)
	for _, dir := range []string{"apt/trixie", "ccache/00aa"} {
		if err := os.Chtimes(filepath.Join(s.Dir(), dir), old, old); err != nil {
			t.Fatal(err)
		}
	}
	month := Limits{Before: time.Now().Add(-30 * 24 * time.Hour)}
	locks := []string{"apt.trixie", "source.compile"}
	for i, want := range []string{"", "", "apt/trixie ccache/00aa"} {
		if i < len(locks) {
			unlock, err := s.Lock(t.Context(), locks[i], false)
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Collect(t.Context(), Limits{Before: month.Before, Kinds: []string{[]string{"apt", "ccache"}[i]}})
			if unlock(); err != nil || names(c.Gone) != "" || len(c.Kept) != 1 {
				t.Errorf("while %s is held: %+v %v", locks[i], c, err)
			}
			continue
		}
		c, err := s.Collect(t.Context(), month)
		slices.SortFunc(c.Gone, func(a, b Entry) int { return strings.Compare(a.Kind, b.Kind) })
		if err != nil || names(c.Gone) != want || c.Left >= 2*mega {
			t.Errorf("%+v %v", c, err)
		}
	}
	if all, err := s.Usage(); err != nil || names(all) != "apt/sid" || all[0].Title != "index of sid" {
		t.Errorf("%+v %v", all, err)
	}
}
