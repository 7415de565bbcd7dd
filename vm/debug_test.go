package vm

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/digitalocean/go-qemu/qmp"
)

// TestDebuggerIsThereOnceItLetsTheGuestRun holds that neither our own start of a guest, nor a debugger that has only come, counts.
func TestDebuggerIsThereOnceItLetsTheGuestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		debug  string
		events []string
		want   bool
	}{
		"started":          {"/s", []string{"RESUME"}, false},
		"come":             {"/s", []string{"RESUME", "STOP"}, false},
		"let it run":       {"/s", []string{"RESUME", "STOP", "RESUME", "STOP", "RESUME"}, true},
		"none is expected": {"", []string{"RESUME", "STOP", "RESUME"}, false},
	} {
		p := &Process{machine: &Machine{Debug: tt.debug}, debugged: make(chan struct{})}
		for _, e := range tt.events {
			p.observe(qmp.Event{Event: e})
		}
		select {
		case <-p.Debugged():
			if !tt.want {
				t.Errorf("%s: there is a debugger", name)
			}
		default:
			if tt.want {
				t.Errorf("%s: there is none", name)
			}
		}
	}
}

func TestListenIsForUsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ch, _, err := openChannels(true)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.close()
	backend, err := ch.listen(path)
	if err != nil || backend != "socket,fd=7,server=on,wait=off" || len(ch.files()) != 5 {
		t.Errorf("%q, %d files, %v", backend, len(ch.files()), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if _, err := ch.listen(filepath.Join(t.TempDir(), strings.Repeat("x", 200))); err == nil || !strings.Contains(err.Error(), "107 bytes") {
		t.Errorf("a path that is too long: %v", err)
	}
}

func TestDebuggerThatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	other := "s390x"
	if HostArch() == other {
		other = "x86_64"
	}
	for machine, want := range map[string]string{HostArch(): "gdb is not installed: apt-get install gdb", other: "gdb-multiarch is not installed: apt-get install gdb-multiarch"} {
		if _, err := Debugger(machine); err == nil || err.Error() != want {
			t.Errorf("%s: %v", machine, err)
		}
	}
}
