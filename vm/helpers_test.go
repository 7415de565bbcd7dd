package vm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func init() {
	vmtest.Register("pid", func(g *vmtest.Guest, _ ...string) { fmt.Fprintln(g.Report, os.Getpid()) })
}

// start starts m and kills it at the end of the test.
func start(t *testing.T, ctx context.Context, m *vm.Machine) *vm.Process {
	t.Helper()
	p, err := m.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		p.Wait()
	})
	return p
}

// waitFor returns what log holds once text is in it.
func waitFor(t *testing.T, log fmt.Stringer, text string) string {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if s := log.String(); strings.Contains(s, text) {
			return s
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%q never came; there is %q", text, log)
	return ""
}

// doneWhen returns a context that is done, as at a deadline, when text is in log.
func doneWhen(t *testing.T, log fmt.Stringer, text string) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		waitFor(t, log, text)
		cancel(context.DeadlineExceeded)
	}()
	return ctx
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// orphanEnv makes this test binary start a guest from the kernel it names, print the guest's process on standard
// output, and wait to be killed.
const orphanEnv = "VM_TEST_ORPHAN"

func startOrphan() {
	if path := os.Getenv(orphanEnv); strings.HasSuffix(path, pidSuffix) {
		go vm.TryDevices(context.Background(), "x86_64", []string{"edu"}, nil)
		pid := []byte{}
		for !bytes.HasSuffix(pid, []byte("\n")) {
			time.Sleep(time.Millisecond)
			pid, _ = os.ReadFile(path) // it is not there yet
		}
		fmt.Printf("%s", pid)
		time.Sleep(time.Hour)
	}
	m := &vm.Machine{Arch: "x86_64", Kernel: os.Getenv(orphanEnv)}
	os.Unsetenv(orphanEnv) // the fake QEMU is this binary as well
	p, err := m.Start(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	time.Sleep(time.Hour)
}

// QEMU dies with us even when we are killed and can clean up nothing.
func TestDiesWithParent(t *testing.T) {
	m, _, _ := fake(t, "")
	diesWithParent(t, m.Kernel)
}

// A QEMU that is only asked for its devices dies as well, whatever it is doing.
func TestAskedForDevicesDiesWithParent(t *testing.T) {
	dir := t.TempDir()
	qemu := filepath.Join(dir, "qemu-system-x86_64")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\necho $$ >$0"+pidSuffix+"\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODMATRIX_QEMU_USER", "0")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	diesWithParent(t, qemu+pidSuffix)
}

// pidSuffix makes startOrphan ask for devices; the process that is asked writes its number to the file.
const pidSuffix = ".pid"

func diesWithParent(t *testing.T, orphan string) {
	t.Helper()
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), orphanEnv+"="+orphan)
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	child := atoi(t, string(line[:n]))
	if err := syscall.Kill(child, 0); err != nil {
		t.Fatalf("the guest does not run: %v", err)
	}
	parent.Process.Kill()
	parent.Wait()
	deadline := time.Now().Add(time.Minute)
	for alive(child) {
		if time.Now().After(deadline) {
			syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("QEMU outlived its parent")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive says whether pid runs. An orphan that nobody reaps stays as a zombie, and is dead all the same.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
