package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// cutOff has a fill of an entry fail when it has got so many bytes.
func cutOff(t *testing.T, s *Store, id string, bytes int64) string {
	t.Helper()
	var partial string
	_, _, err := s.Fill(t.Context(), "trees", id, func(string) error {
		var err error
		if partial, err = s.Partial("trees", id, "kernel "+id); err != nil {
			t.Fatal(err)
		}
		if bytes > 0 {
			if err := os.WriteFile(filepath.Join(partial, "a.deb"), make([]byte, bytes), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return errors.New("cut off")
	})
	if err == nil {
		t.Fatal("it was made")
	}
	return partial
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// TestPartialOutlivesItsFill: it is there for the next fill, which takes it away when the entry is made; nothing stays of one
// that has nothing.
func TestPartialOutlivesItsFill(t *testing.T) {
	s := newStore(t)
	if dir := cutOff(t, s, "empty", 0); exists(dir) {
		t.Error("an empty one stays")
	}
	dir := cutOff(t, s, "6.1-amd64", mega)
	if _, hit := s.Look("trees", "6.1-amd64"); hit || !exists(filepath.Join(dir, "a.deb")) {
		t.Error("half an entry is one, or its half is gone")
	}
	_, _, err := s.Fill(t.Context(), "trees", "6.1-amd64", func(to string) error {
		again, err := s.Partial("trees", "6.1-amd64", "kernel")
		if err != nil || again != dir {
			t.Errorf("%s %v", again, err)
		}
		return os.Rename(filepath.Join(again, "a.deb"), filepath.Join(to, "a.deb"))
	})
	if err != nil || exists(dir) {
		t.Errorf("%v; still there: %v", err, exists(dir))
	}
}

// TestPartialsAreReportedAndCollected: they count, say what they are, and go by age and size like entries; not while somebody
// fills them.
func TestPartialsAreReportedAndCollected(t *testing.T) {
	s := newStore(t)
	dir := cutOff(t, s, "6.1-amd64", mega)
	put(t, s, "trees/old", mega, time.Hour)
	all, err := s.Usage()
	if err != nil || names(all) != "partial/trees.6.1-amd64 trees/old" || all[0].State != Unfinished || all[0].Title != "kernel 6.1-amd64" || all[0].Disk < mega {
		t.Fatalf("%+v %v", all, err)
	}
	if locks, _ := filepath.Glob(s.lockPath("trees.6*")); len(locks) > 0 {
		t.Error("a lock of no entry stays:", locks)
	}
	collect := func(lim Limits, gone string) {
		t.Helper()
		if c, err := s.Collect(t.Context(), lim); err != nil || names(c.Gone) != gone {
			t.Errorf("%+v: %s went, want %q: %v", lim, names(c.Gone), gone, err)
		}
	}
	collect(Limits{}, "")
	collect(Limits{Kinds: []string{"roots"}, Before: time.Now()}, "")
	week := time.Now().Add(-partialAge - time.Minute)
	if err := os.Chtimes(dir, week, week); err != nil {
		t.Fatal(err)
	}
	lock, err := s.tryLock("trees.6.1-amd64", true)
	if err != nil || lock == nil {
		t.Fatal(err)
	}
	if all, _ := s.Usage(); all[0].State != Making {
		t.Errorf("somebody fills it, and it is %q", all[0].State)
	}
	collect(Limits{Before: time.Now(), Kinds: []string{"partial"}}, "")
	_ = lock.Close()
	collect(Limits{DryRun: true}, "partial/trees.6.1-amd64")
	collect(Limits{}, "partial/trees.6.1-amd64")
	if exists(dir) {
		t.Error("it is still there")
	}
	cutOff(t, s, "6.2-amd64", mega)
	collect(Limits{MaxBytes: mega + mega/2, Kinds: []string{"trees", "partial"}}, "partial/trees.6.2-amd64")
}
