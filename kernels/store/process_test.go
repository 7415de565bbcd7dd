package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child starts this test binary as another process that does what is called do with the store in dir.
func child(t *testing.T, do, dir string, own *syscall.SysProcAttr) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), "HELPER_DO="+do, "HELPER_STORE="+dir)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if own != nil {
		cmd.SysProcAttr = own
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	err := cmd.Start()
	if own != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC)) {
		t.Skip("this machine gives its users no mounts of their own:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// await demands that a child ends well and did what it should.
func await(t *testing.T, cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "--- PASS: TestHelperProcess") {
		t.Errorf("child: %v\n%s", err, out)
	}
}

// ownMounts returns a child private mounts, which end with it, as root or not.
func ownMounts() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Unshareflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

var helpers = map[string]func(*testing.T, *Store){
	"fill for ever": helpFillForEver,
	"use":           helpUse,
	"collect":       helpCollect,
	"full disk":     helpFullDisk,
	"read-only":     helpReadOnly,
}

func TestHelperProcess(t *testing.T) {
	do, ok := helpers[os.Getenv("HELPER_DO")]
	if !ok {
		t.Skip("only as another process of another test")
	}
	if os.Getenv("HELPER_DO") == "full disk" {
		if err := syscall.Mount("tmpfs", os.Getenv("HELPER_STORE"), "tmpfs", 0, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(os.Getenv("HELPER_STORE"))
	if err != nil {
		t.Fatal(err)
	}
	do(t, s)
}

// fillNumbered makes an entry whose files all say which it is, slowly enough to be met on the way.
func fillNumbered(id string) func(string) error {
	return func(dir string) error {
		for i := range 20 {
			path := filepath.Join(dir, "sub", strconv.Itoa(i))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(id), 0o644)); err != nil {
				return err
			}
			time.Sleep(200 * time.Microsecond)
		}
		return nil
	}
}

// checkNumbered fails unless all of an entry is there.
func checkNumbered(t *testing.T, dir, id string) {
	t.Helper()
	for i := range 20 {
		if text, err := os.ReadFile(filepath.Join(dir, "sub", strconv.Itoa(i))); string(text) != id {
			t.Fatalf("%s: %q %v", dir, text, err)
		}
	}
}

func helpFillForEver(t *testing.T, s *Store) {
	for i := 0; ; i++ {
		id := strconv.Itoa(i % 7)
		dir, _, err := s.Fill(context.Background(), "trees", id, fillNumbered(id))
		if err != nil {
			t.Fatal(err)
		}
		checkNumbered(t, dir, id)
		if err := s.Remove(Entry{Kind: "trees", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKillingAProcessHurtsNobody kills a process that fills and removes entries, twenty times, wherever it stands.
func TestKillingAProcessHurtsNobody(t *testing.T) {
	s := newStore(t)
	for range 20 {
		cmd, out := child(t, "fill for ever", s.Dir(), nil)
		for begun := time.Now(); ; time.Sleep(time.Millisecond) { // it is under way
			if busy, _ := filepath.Glob(filepath.Join(s.Dir(), "trees", "*")); len(busy) > 0 {
				break
			}
			if time.Since(begun) > 30*time.Second {
				t.Fatal("the child fills nothing")
			}
		}
		time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.Contains(out.String(), "process_test.go:") {
			t.Fatalf("child: %s", out)
		}
		id := strconv.Itoa(rand.IntN(7))
		dir, _, err := s.Fill(t.Context(), "trees", id, fillNumbered(id))
		if err != nil {
			t.Fatal(err)
		}
		checkNumbered(t, dir, id)
		if _, bad, err := s.Verify(t.Context(), nil); len(bad) > 0 || err != nil {
			t.Fatal(bad, err)
		}
		if _, err := s.Collect(t.Context(), Limits{MaxBytes: 1}); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(s.Dir(), "trees", "*")); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
		if left, _ := filepath.Glob(filepath.Join(s.Dir(), "trees", ".*")); len(left) > 0 {
			t.Fatalf("left behind: %v", left)
		}
	}
}

// helpUse is run after run: what a run was given must stay until it ends, whoever collects meanwhile.
func helpUse(t *testing.T, s *Store) {
	for range 15 {
		_, release, err := s.WorkDir()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			id := strconv.Itoa(rand.IntN(4))
			dir, hit := s.Look("trees", id)
			if !hit {
				if dir, _, err = s.Fill(context.Background(), "trees", id, fillNumbered(id)); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				time.Sleep(time.Millisecond)
				checkNumbered(t, dir, id)
			}
		}
		release()
	}
}

func helpCollect(t *testing.T, s *Store) {
	gone := 0
	for range 60 {
		c, err := s.Collect(context.Background(), Limits{MaxBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		gone += len(c.Gone)
		if _, bad, err := s.Verify(context.Background(), nil); len(bad) > 0 || err != nil {
			t.Fatal(bad, err)
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("removed", gone)
}

// TestProcessesShareAStore lets processes use and collect the same entries at the same time.
func TestProcessesShareAStore(t *testing.T) {
	s := newStore(t)
	type proc struct {
		cmd *exec.Cmd
		out *bytes.Buffer
	}
	var procs []proc
	for _, do := range []string{"use", "use", "use", "collect", "collect"} {
		cmd, out := child(t, do, s.Dir(), nil)
		procs = append(procs, proc{cmd, out})
	}
	for _, p := range procs {
		await(t, p.cmd, p.out)
	}
	if _, err := s.Collect(t.Context(), Limits{MaxBytes: 1}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Usage(); len(all) > 0 || err != nil {
		t.Errorf("left behind: %+v %v", all, err)
	}
	locks, _ := os.ReadDir(filepath.Join(s.Dir(), lockDir))
	if len(locks) != 1 || locks[0].Name() != workKind {
		t.Errorf("locks left behind: %v", locks)
	}
}
