package kbuild

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSandboxForbids: each of these is what a stranger's Makefile must not be able to do, tried for real. A control beside
// each shows that the command fails for the sandbox's sake, and not because it is misspelt.
func TestSandboxForbids(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODMATRIX_SECRET", "x")
	port := listen(t)
	for what, c := range map[string]struct{ forbidden, control string }{
		"read the host's files":         {"cat " + secret, "cat /etc/os-release"},
		"read a home":                   {`ls -A /root /home/* "$OLDHOME" | grep .`, "ls -A /usr | grep ."},
		"know the host's environment":   {`test -n "$MODMATRIX_SECRET"`, `test -n "$HOME"`},
		"write to /":                    {"touch /x", "touch x"},
		"write to /etc":                 {"touch /etc/x", "touch /tmp/x"},
		"write to /usr":                 {"touch /usr/x", "touch /tmp/home/x"},
		"write to /dev":                 {"touch /dev/x", "echo x >/dev/null"},
		"name a program for the kernel": {"echo '|/bin/true' >/proc/sys/kernel/core_pattern", "cat /proc/sys/kernel/core_pattern"},
		"reach the network":             {fmt.Sprintf("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d'", port), "bash -c true"},
		"see the host's processes":      {fmt.Sprintf("kill -0 %d", os.Getpid()), "kill -0 $$"},
		"mount":                         {"mount -t tmpfs x /tmp", "command -v mount"},
		"write a file of 5 GiB":         {"truncate -s 5G big", "truncate -s 3G big"},
		"take 17 GiB of memory":         {"bash -c 'ulimit -v $((17 << 20))'", "bash -c 'ulimit -v $((15 << 20))'"},
		"burn a processor for ever":     {"test $(ulimit -t) = unlimited", "test $(ulimit -t) -le 3600"},
		"leave a core":                  {"test $(ulimit -c) -ne 0", "test $(ulimit -c) -eq 0"},
	} {
		t.Run(what, func(t *testing.T) {
			if out, exit := inSandbox(t, c.control); exit != 0 {
				t.Errorf("%s: exit code %d: %s", c.control, exit, out)
			}
			if out, exit := inSandbox(t, c.forbidden); exit == 0 {
				t.Errorf("%s: it could: %s", c.forbidden, out)
			}
		})
	}
}

// listen returns a port of the host's loopback interface on which somebody answers.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func inSandbox(t *testing.T, command string) (out string, exit int) {
	t.Helper()
	var b bytes.Buffer
	s := Sandbox{Tree: fakeTree(t), Dir: t.TempDir()}
	exit, err := s.Run(t.Context(), &b, "sh", "-c", command)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String()), exit
}
