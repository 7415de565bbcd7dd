package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

// serving returns a folder in which requests are served, and what was reported so far. Of names, the modules are there.
func serving(t *testing.T, names ...string) (dir string, r *requests, reported func() []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sbin", "modprobe")
	if err := linkSelf(program); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Errorf("modprobe leads nowhere: %v", err)
	}
	var list []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(func(f func()) { f() }, func(name string) bool {
			r.once(name, func() { list = append(list, name) })
			return slices.Contains(names, name)
		})
	}()
	t.Cleanup(func() { r.names.Close(); <-done })
	return dir, r, func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(list)
	}
}

func TestModprobe(t *testing.T) {
	dir, r, reported := serving(t, "crypto-ecb", "fs-isofs")
	for _, c := range []struct {
		name     string
		code     int
		reported string // all that was reported by then, which modprobe waits for
	}{
		{"fs", 1, "fs"},
		{"crypto-cmac(aes)", 1, "fs crypto-cmac(aes)"},
		{"fs", 1, "fs crypto-cmac(aes)"},
		{"a b", 1, "fs crypto-cmac(aes)"},
		{"a\nb", 1, "fs crypto-cmac(aes)"},
		{"../../etc/passwd", 1, "fs crypto-cmac(aes)"},
		{"", 1, "fs crypto-cmac(aes)"},
		{strings.Repeat("x", 65), 1, "fs crypto-cmac(aes)"},
		{"fs-isofs", 0, "fs crypto-cmac(aes) fs-isofs"},
	} {
		if code := modprobe(dir, []string{"/sbin/modprobe", "-q", "--", c.name}); code != c.code {
			t.Errorf("%q: code %d, want %d", c.name, code, c.code)
		}
		if got := strings.Join(reported(), " "); got != c.reported {
			t.Errorf("%q: reported %q, want %q", c.name, got, c.reported)
		}
	}
	r.newRound()
	if modprobe(dir, []string{"modprobe", "fs"}); strings.Join(reported(), " ") != "fs crypto-cmac(aes) fs-isofs fs" {
		t.Errorf("in another round: reported %q", reported())
	}
	r.stop()
	if code := modprobe(dir, []string{"modprobe", "late"}); code != 1 || len(reported()) != 4 {
		t.Errorf("after the end: code %d, reported %q", code, reported())
	}
}

func TestModprobeReportsBoundedly(t *testing.T) {
	dir, _, reported := serving(t)
	for i := range wire.MaxWanted + 10 {
		modprobe(dir, []string{"modprobe", fmt.Sprintf("n%d", i)})
	}
	if got := reported(); len(got) != wire.MaxWanted || got[len(got)-1] != fmt.Sprintf("n%d", wire.MaxWanted-1) {
		t.Errorf("%d names reported: %q", len(got), got)
	}
}

// What is loaded for one request may ask for more: the kernel waits for the first all the while.
func TestModprobeAsksWhileItIsServed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(func(f func()) { go f() }, func(name string) bool { return name == "helper" || ask(t, dir, "helper") })
	}()
	defer func() { r.names.Close(); <-done }()
	if !ask(t, dir, "main") {
		t.Error("refused")
	}
	if left := entries(dir); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

// ask is modprobe in a process of its own.
func ask(t *testing.T, dir, name string) bool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
	}
	c := exec.Command(self, dir, name)
	c.Args[0], c.Env = "modprobe", append(os.Environ(), calledAsModprobe+"=1")
	return c.Run() == nil
}

// calledAsModprobe has the test's own program play modprobe: its arguments are the folder and the name.
const calledAsModprobe = "TEST_CALLED_AS_MODPROBE"

func TestMain(m *testing.M) {
	if os.Getenv(calledAsModprobe) != "" {
		os.Exit(modprobe(os.Args[1], os.Args))
	}
	os.Exit(m.Run())
}

func TestModprobeWithoutPID1(t *testing.T) {
	if code := modprobe(t.TempDir(), []string{"/sbin/modprobe", "-q", "--", "ecb"}); code != 1 {
		t.Errorf("code %d, want 1", code)
	}
}

func TestIsModprobe(t *testing.T) {
	for args, want := range map[string]bool{"/sbin/modprobe -q -- x": true, "modprobe x": true, "/init": false, "/init modprobe": false, "": false} {
		if got := isModprobe(strings.Fields(args)); got != want {
			t.Errorf("%q: got %v, want %v", args, got, want)
		}
	}
}
