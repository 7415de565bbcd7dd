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

// serving returns a folder in which requests are served, and what was reported so far.
func serving(t *testing.T, names ...string) (dir string, r *requests, reported func() []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sbin", "modprobe")
	if err := os.WriteFile(filepath.Join(dir, loadedFile), []byte(strings.Join(names, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
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
		r.serve(func(name string) { list = append(list, name) })
	}()
	t.Cleanup(func() { r.names.Close(); <-done; r.acks.Close() })
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
		if got := strings.Join(reported(), " "); got != c.reported {
			t.Errorf("%q: reported %q, want %q", c.name, got, c.reported)
		}
	}
	r.newRound()
	if modprobe(dir, []string{"modprobe", "fs"}); strings.Join(reported(), " ") != "fs crypto-cmac(aes) fs" {
		t.Errorf("in another round: reported %q", reported())
	}
	r.stop()
	if code := modprobe(dir, []string{"modprobe", "late"}); code != 1 || len(reported()) != 3 {
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

// Two at once wait for an acknowledgement each: one that leaves with the other's would leave its own to the next.
func TestModprobeTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	r, err := openRequests(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.names.Close()
	defer r.acks.Close()
	for range 50 {
		gone := make(chan int, 2)
		for _, name := range []string{"a", "b"} {
			go func() { gone <- modprobe(dir, []string{"modprobe", name}) }()
		}
		for names := make([]byte, 4); len(names) > 0; {
			n, err := r.names.Read(names)
			if err != nil {
				t.Fatal(err)
			}
			names = names[n:]
		}
		for range 2 {
			if _, err := r.acks.WriteString("\n"); err != nil {
				t.Fatal(err)
			}
			<-gone
		}
		reported, err := unix.Open(filepath.Join(dir, ackPipe), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, err := unix.Read(reported, make([]byte, 4))
		unix.Close(reported)
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
