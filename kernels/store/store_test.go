package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// noTemps fails if the store holds a temporary folder.
func noTemps(t *testing.T, s *Store) {
	t.Helper()
	if temps, _ := filepath.Glob(filepath.Join(s.Dir(), "*", tempMark+"*")); len(temps) > 0 {
		t.Errorf("left behind: %v", temps)
	}
}

func TestFillMakesOnceAndFinds(t *testing.T) {
	s := newStore(t)
	calls := 0
	fill := func(dir string) error {
		calls++
		write(t, filepath.Join(dir, titleFile), "a tree\n")
		write(t, filepath.Join(dir, "boot/vmlinuz"), "image")
		return nil
	}
	for i, want := range []bool{false, true, true} {
		dir, hit, err := s.Fill(t.Context(), "trees", "6.1+deb", fill)
		if err != nil || hit != want || calls != 1 {
			t.Fatalf("fill %d: %v hit=%v calls=%d", i, err, hit, calls)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, "boot/vmlinuz")); string(text) != "image" {
			t.Fatalf("fill %d: content %q", i, text)
		}
	}
	entries, err := s.List()
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	e := entries[0]
	if e.Kind != "trees" || e.ID != "6.1+deb" || e.Title != "a tree" || e.Size != 12 || time.Since(e.Used) > time.Minute {
		t.Errorf("%+v", e)
	}
	if err := s.Remove(e); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(e); err != nil {
		t.Error("removing twice:", err)
	}
	if entries, _ := s.List(); len(entries) != 0 {
		t.Error(entries)
	}
	noTemps(t, s)
}

func TestDamagedEntryIsMadeAnew(t *testing.T) {
	damage := map[string]func(path string) error{
		"truncated": func(p string) error { return os.Truncate(p, 3) },
		"missing":   os.Remove,
		"no manifest": func(p string) error {
			return os.Remove(filepath.Join(filepath.Dir(filepath.Dir(p)), manifestFile))
		},
		"torn manifest": func(p string) error {
			return os.Truncate(filepath.Join(filepath.Dir(filepath.Dir(p)), manifestFile), 5)
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			fill := func(dir string) error {
				for i := range 200 { // the image must be watched however many small files there are
					write(t, filepath.Join(dir, fmt.Sprintf("kernel/%03d.ko", i)), "x")
				}
				write(t, filepath.Join(dir, "boot/vmlinuz"), "image")
				return nil
			}
			dir, _, err := s.Fill(t.Context(), "trees", "x", fill)
			if err != nil {
				t.Fatal(err)
			}
			if err := do(filepath.Join(dir, "boot/vmlinuz")); err != nil {
				t.Fatal(err)
			}
			if _, hit, err := s.Fill(t.Context(), "trees", "x", fill); hit || err != nil {
				t.Fatalf("hit=%v %v", hit, err)
			}
			if text, _ := os.ReadFile(filepath.Join(dir, "boot/vmlinuz")); string(text) != "image" {
				t.Errorf("content %q", text)
			}
			noTemps(t, s)
		})
	}
}

func TestFailedFillLeavesNothing(t *testing.T) {
	s := newStore(t)
	boom := errors.New("boom")
	_, _, err := s.Fill(t.Context(), "trees", "x", func(dir string) error {
		write(t, filepath.Join(dir, "locked/file"), "x")
		return errors.Join(boom, os.Chmod(filepath.Join(dir, "locked"), 0o500))
	})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	noTemps(t, s)
	if _, err := os.Stat(filepath.Join(s.Dir(), "trees/x")); err == nil {
		t.Error("half an entry is there")
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	s := newStore(t)
	filling, release := make(chan bool), make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := s.Fill(context.Background(), "trees", "x", func(string) error { filling <- true; <-release; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-filling
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(2*lockPoll, cancel)
	if _, _, err := s.Fill(ctx, "trees", "x", nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Remove(Entry{Kind: "trees", ID: "x"}); err == nil {
		t.Error("removed an entry that is being made")
	}
	close(release)
	wg.Wait()
}

// TestManyCallersFillOnce keeps the callers, who all have missed the entry, from filling it until they all want to.
func TestManyCallersFillOnce(t *testing.T) {
	slowtest.Skip(t)
	s := newStore(t)
	unlock, err := s.Lock(t.Context(), "builds.x", false)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*lockPoll, unlock)
	var calls atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, _, err := s.Fill(t.Context(), "builds", "x", func(dir string) error {
				calls.Add(1)
				return os.WriteFile(filepath.Join(dir, "a.ko"), []byte("x"), 0o644)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("filled %d times", calls.Load())
	}
}

// TestKilledFillerIsSweptUp runs this test binary as a second process, kills it in the middle of a fill, and asks for
// another entry of the kind: the dead one's folder must be gone, that of a living filler must stay.
func TestKilledFillerIsSweptUp(t *testing.T) {
	s := newStore(t)
	dead := exec.Command(os.Args[0], "-test.run=TestHelperFillForEver")
	dead.Env = append(os.Environ(), "HELPER_STORE="+s.Dir())
	out, err := dead.StdoutPipe()
	if err == nil {
		err = dead.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if temps, _ := filepath.Glob(filepath.Join(s.Dir(), "trees", tempMark+"*")); len(temps) != 1 {
		t.Fatalf("the helper fills nothing: %v", temps)
	}
	make := func(id string) {
		if _, _, err := s.Fill(t.Context(), "trees", id, func(dir string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	make("first")
	if temps, _ := filepath.Glob(filepath.Join(s.Dir(), "trees", tempMark+"*")); len(temps) != 1 {
		t.Errorf("a living filler lost its folder: %v", temps)
	}
	_ = dead.Process.Kill()
	_ = dead.Wait()
	make("second")
	noTemps(t, s)
	make("held") // and the dead one's own entry can be made
}

func TestHelperFillForEver(t *testing.T) {
	dir := os.Getenv("HELPER_STORE")
	if dir == "" {
		t.Skip("only as a child of TestKilledFillerIsSweptUp")
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = s.Fill(t.Context(), "trees", "held", func(dir string) error {
		write(t, filepath.Join(dir, "half"), "x")
		fmt.Print("x")
		time.Sleep(time.Minute)
		return nil
	})
}

func TestStoreRefusesNamesThatAreNoFileNames(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"", ".", "..", "a/b", "../x", ".tmp.x", "a\nb", strings.Repeat("x", 300)} {
		if _, _, err := s.Fill(t.Context(), "trees", id, func(string) error { return nil }); err == nil {
			t.Errorf("accepted id %q", id)
		}
		if err := s.Remove(Entry{Kind: id, ID: "x"}); err == nil {
			t.Errorf("accepted kind %q", id)
		}
	}
}

func TestOpenFindsItsPlace(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("MODMATRIX_CACHE", "")
	if s, err := Open(""); err != nil || s.Dir() != filepath.Join(dir, "modmatrix") {
		t.Error(s, err)
	}
	t.Setenv("MODMATRIX_CACHE", filepath.Join(dir, "mine"))
	if s, err := Open(""); err != nil || s.Dir() != filepath.Join(dir, "mine") {
		t.Error(s, err)
	}
	write(t, filepath.Join(dir, "file"), "")
	if _, err := Open(filepath.Join(dir, "file")); err == nil {
		t.Error("opened a store on a file")
	}
}

func TestALookAtWhatIsGoneLeavesNoLock(t *testing.T) {
	s := newStore(t)
	if wrong, err := s.verify(t.Context(), Entry{Kind: "trees", ID: "gone"}); wrong != "" || err != nil {
		t.Errorf("verify: %q, %v", wrong, err)
	}
	if locks, err := os.ReadDir(filepath.Join(s.Dir(), lockDir)); len(locks) > 0 || err != nil {
		t.Errorf("locks left behind: %v, %v", locks, err)
	}
}
