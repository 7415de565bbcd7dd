package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(inheritEnv); mode != "" {
		os.Exit(inherit(mode))
	}
	os.Exit(m.Run())
}

// run runs a command in a sandbox.
func run(t *testing.T, b Box, command ...string) (out string, exit int, err error) {
	t.Helper()
	var said bytes.Buffer
	b.Dir = t.TempDir()
	exit, err = b.Run(t.Context(), &said, command...)
	return strings.TrimSpace(said.String()), exit, err
}

// unfiltered is run without what keeps system calls from a stranger.
func unfiltered(t *testing.T, command ...string) (out string, exit int) {
	t.Helper()
	b := Box{Dir: t.TempDir()}
	v, err := b.view()
	if err != nil {
		t.Fatal(err)
	}
	args := b.args(v, command)
	for _, drop := range [][]string{{"--seccomp", "4"}, {"--json-status-fd", "3"}, {"--disable-userns"}} {
		if i := slices.Index(args, drop[0]); i >= 0 {
			args = slices.Delete(args, i, i+len(drop))
		}
	}
	cmd := exec.Command("bwrap", args...)
	said, err := cmd.CombinedOutput()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// call is a command that makes one system call, and whose exit code is its error number.
func call(nr int, args string) []string {
	return []string{"perl", "-e", fmt.Sprintf(`exit(syscall(%d%s) == -1 ? $!+0 : 0)`, nr, args)}
}

// TestForbidsCalls: each control shows that the kernel would have obeyed, or looked at the arguments at least.
func TestForbidsCalls(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are those of amd64")
	}
	for what, c := range map[string]struct {
		call []string
		want unix.Errno
	}{
		"find the session's keyring":      {call(unix.SYS_KEYCTL, ", 0, -3, 0"), unix.EPERM},
		"make a user namespace":           {call(unix.SYS_UNSHARE, ", 0x10000000"), unix.EPERM},
		"clone with flags that none sees": {call(unix.SYS_CLONE3, ", 0, 0"), unix.ENOSYS},
		"trace":                           {call(unix.SYS_PTRACE, ", 0, 0, 0, 0"), unix.EPERM},
		"set an io_uring up":              {call(unix.SYS_IO_URING_SETUP, ", 1, 0"), unix.ENOSYS},
		"handle page faults":              {call(unix.SYS_USERFAULTFD, ", 1"), unix.EPERM},
		"make memory without a process":   {call(unix.SYS_MEMFD_CREATE, `, my $name = "x", 0`), unix.ENOSYS},
		"open a packet socket":            {call(unix.SYS_SOCKET, ", 17, 3, 0"), unix.EAFNOSUPPORT},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if out, exit := unfiltered(t, c.call...); exit == int(c.want) {
				t.Errorf("control: exit code %d: %s", exit, out)
			}
			if out, exit, err := run(t, Box{}, c.call...); err != nil || exit != int(c.want) {
				t.Errorf("exit code %d, %v: %s", exit, err, out)
			}
		})
	}
}

// TestToolsWork: what builds are made of is not kept from working.
func TestToolsWork(t *testing.T) {
	for _, command := range []string{
		"printf 'a: b\\n\\techo a\\nb:\\n\\techo b\\n' >Makefile && make -j4",
		"perl -e 'open(my $p, \"-|\", \"echo x\") or die; print <$p>'",
		"echo 'int main(void) { return 0; }' >a.c && gcc -pipe -o a a.c && ./a",
		"(sleep 0.01 & wait); echo x | cat; mkfifo f; f=$(mktemp); echo y >$f",
	} {
		if tool := strings.Fields(command)[0]; tool == "echo" {
			if _, err := exec.LookPath("gcc"); err != nil {
				continue
			}
		}
		if out, exit, err := run(t, Box{}, "sh", "-c", command); err != nil || exit != 0 {
			t.Errorf("%s: exit code %d, %v: %s", command, exit, err, out)
		}
	}
}

const inheritEnv = "SANDBOX_TEST_INHERIT"

// inherit is the main of a process that runs a sandbox and was started with a descriptor too many.
func inherit(mode string) int {
	if mode == "seal" {
		if err := Seal(); err != nil {
			fmt.Println(err)
			return 2
		}
	}
	dir, err := os.MkdirTemp("", "inherit")
	if err != nil {
		return 2
	}
	defer os.RemoveAll(dir)
	exit, err := Box{Dir: dir}.Run(context.Background(), os.Stdout, "sh", "-c", "for f in /proc/self/fd/*; do cat $f/secret; done 2>/dev/null")
	if err != nil || exit > 1 {
		fmt.Println(exit, err)
	}
	return 0
}

// TestSeal: an open folder of whoever started us is a way around the sandbox, unless it is sealed.
func TestSeal(t *testing.T) {
	folder, err := os.Open(source(t, map[string]string{"secret": "of the host"}))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{"open": "of the host", "seal": ""} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), inheritEnv+"="+mode)
		cmd.ExtraFiles = []*os.File{3: folder} // 6: what bwrap is given takes the places before
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %q, %v", mode, out, err)
		}
	}
}

// TestLeaveKeyring: what is started after it finds no key of the session that this process is in.
func TestLeaveKeyring(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are those of amd64")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with its keyring
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		t.Skipf("this kernel has no keys: %v", err)
	}
	if _, err := unix.AddKey("user", "modmatrix-test", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		t.Skipf("no key can be made here: %v", err)
	}
	find := call(unix.SYS_KEYCTL, `, 10, -3, my $kind = "user", my $name = "modmatrix-test", 0`)
	started := func() error {
		cmd := exec.Command(find[0], find[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd.Run()
	}
	if err := started(); err != nil {
		t.Errorf("control: the key is not found: %v", err)
	}
	leaveKeyring()
	if err := started(); err == nil {
		t.Error("the key was found")
	}
}

// TestBounds: a bomb is ended, whoever runs it, and says which one it was. As a control, the same with the usual bounds is well.
func TestBounds(t *testing.T) {
	far := usual()
	for what, c := range map[string]struct {
		bounds bounds
		bomb   string
		want   string
	}{
		"processes": {bounds{20, far.files, far.memory}, `for (1..40) { if (!fork) { sleep $ARGV[0]; exit } } 1 while wait != -1`, "it started more than 20 processes"},
		"memory":    {bounds{far.procs, far.files, 64 << 20}, `$x = "x" x 2e8; sleep $ARGV[0]`, "its processes took more than 64 MiB of memory together"},
		"files":     {bounds{far.procs, 100, far.memory}, `for (1..2000) { open F, ">/tmp/$_" or die } sleep $ARGV[0]`, "it made more than 100 files in /tmp"},
		"on disk":   {bounds{far.procs, 100, far.memory}, `for (1..400) { open F, ">$_" or die } sleep $ARGV[0]`, "more than 100 files were made at "},
	} {
		t.Run(what, func(t *testing.T) {
			start := time.Now()
			if out, exit, err := run(t, Box{bounds: &c.bounds}, "perl", "-e", c.bomb, "60"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d, %v: %s", exit, err, out)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it went on for %v", took)
			}
			if out, exit, err := run(t, Box{}, "perl", "-e", c.bomb, "0"); err != nil || exit != 0 {
				t.Errorf("control: %d, %v: %s", exit, err, out)
			}
		})
	}
}

func TestCheckDisk(t *testing.T) {
	if err := CheckDisk("/proc"); !errors.Is(err, syscall.ENOSPC) { // it has no room at all
		t.Errorf("error is %v", err)
	}
	full := unix.Statfs_t{Bavail: 1 << 30, Bsize: 4096, Files: 1 << 20, Ffree: 10}
	if err := hasRoom(full, "/d"); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "only 10 more files can be made at /d") {
		t.Errorf("error is %v", err)
	}
	full.Files = 0 // as btrfs has it
	if err := hasRoom(full, "/d"); err != nil {
		t.Error(err)
	}
}

func TestWithoutBwrap(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Try(t.Context()); err == nil || !strings.Contains(err.Error(), "apt install bubblewrap") {
		t.Error(err)
	}
	if _, _, err := run(t, Box{}, "true"); err == nil || !strings.Contains(err.Error(), "install the package bubblewrap") {
		t.Error(err)
	}
}

func TestTry(t *testing.T) {
	if path, err := Try(t.Context()); err != nil || filepath.Base(path) != "bwrap" {
		t.Errorf("%s, %v", path, err)
	}
}

// What keeps users from namespaces is named with its cure where no sandbox can be made, as each distribution sets it.
func TestABarrierIsNamedWithItsCure(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "bwrap"), []byte("#!/bin/sh\necho bwrap: setting up uid map: Permission denied\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	defer func(dir string) { settings = dir }(settings)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Ubuntu 24.04":    {map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1\n", "kernel/unprivileged_userns_clone": "1\n"}, "kernel.apparmor_restrict_unprivileged_userns=0"},
		"Debian of old":   {map[string]string{"kernel/unprivileged_userns_clone": "0\n", "user/max_user_namespaces": "9\n"}, "kernel.unprivileged_userns_clone=1"},
		"a hardened host": {map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "0\n", "user/max_user_namespaces": "0\n"}, "user.max_user_namespaces=10000"},
		"a container":     {nil, "In a container"},
	} {
		settings = t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(settings, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Try(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "uid map") {
			t.Errorf("%s: %v", name, err)
		}
		_, _, err := run(t, Box{}, "true")
		if !errors.Is(err, ErrNotMade) || strings.Contains(err.Error(), c.want) != (c.files != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
