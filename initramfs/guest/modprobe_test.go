package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// serving gives a folder in which requests are taken, and what was told so far.
func serving(t *testing.T, names ...string) (dir string, r *requests, told func() []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sbin", "modprobe")
	if err := os.WriteFile(filepath.Join(dir, askedFile), []byte(strings.Join(names, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.place(program); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Errorf("modprobe leads nowhere: %v", err)
	}
	var list []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(func(name string) { list = append(list, name) })
	}()
	t.Cleanup(func() { r.asked.Close(); <-done; r.done.Close() })
	return dir, r, func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(list)
	}
}

func TestModprobe(t *testing.T) {
	dir, r, told := serving(t, "crypto-ecb", "fs-isofs")
	for _, c := range []struct {
		name string
		code int
		told string // all that was told by then, which modprobe waits for
	}{
		{"crypto-ecb", 0, ""},
		{"fs-isofs", 0, ""},
		{"fs", 1, "fs"},
		{"crypto-cmac(aes)", 1, "fs crypto-cmac(aes)"},
		{"fs", 1, "fs crypto-cmac(aes)"},
		{"a b", 1, "fs crypto-cmac(aes)"},
		{"a\nb", 1, "fs crypto-cmac(aes)"},
		{"../../etc/passwd", 1, "fs crypto-cmac(aes)"},
		{"", 1, "fs crypto-cmac(aes)"},
		{strings.Repeat("x", 65), 1, "fs crypto-cmac(aes)"},
	} {
		if code := modprobe(dir, []string{"/sbin/modprobe", "-q", "--", c.name}); code != c.code {
			t.Errorf("%q: code %d, want %d", c.name, code, c.code)
		}
		if got := strings.Join(told(), " "); got != c.told {
			t.Errorf("%q: told %q, want %q", c.name, got, c.told)
		}
	}
	r.renew()
	if modprobe(dir, []string{"modprobe", "fs"}); strings.Join(told(), " ") != "fs crypto-cmac(aes) fs" {
		t.Errorf("in another round: told %q", told())
	}
	r.end()
	if code := modprobe(dir, []string{"modprobe", "late"}); code != 1 || len(told()) != 3 {
		t.Errorf("after the end: code %d, told %q", code, told())
	}
}

func TestModprobeTellsBoundedly(t *testing.T) {
	dir, _, told := serving(t)
	for i := range wire.MaxWanted + 10 {
		modprobe(dir, []string{"modprobe", fmt.Sprintf("n%d", i)})
	}
	if got := told(); len(got) != wire.MaxWanted || got[len(got)-1] != fmt.Sprintf("n%d", wire.MaxWanted-1) {
		t.Errorf("%d names told: %q", len(got), got)
	}
}

// Two that ask at once wait for an answer each: one that goes with the other's leaves its own to the next who asks.
func TestModprobeTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.asked.Close()
	defer r.done.Close()
	for range 50 {
		gone := make(chan int, 2)
		for _, name := range []string{"a", "b"} {
			go func() { gone <- modprobe(dir, []string{"modprobe", name}) }()
		}
		for names := make([]byte, 4); len(names) > 0; {
			n, err := r.asked.Read(names)
			if err != nil {
				t.Fatal(err)
			}
			names = names[n:]
		}
		for range 2 {
			if _, err := r.done.WriteString("\n"); err != nil {
				t.Fatal(err)
			}
			<-gone
		}
		told, err := unix.Open(filepath.Join(dir, toldPipe), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, err := unix.Read(told, make([]byte, 4))
		unix.Close(told)
		if err != unix.EAGAIN {
			t.Fatalf("%d answers are left over, %v", n, err)
		}
	}
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
