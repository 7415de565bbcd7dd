package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// On a Machine, a command may write to every folder, as uid 0 that has no capability; what is mounted stays as it is, and the host is out of reach.
func TestMachine(t *testing.T) {
	machine, laid := t.TempDir(), t.TempDir()
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + name); err != nil {
			t.Skip("the host's /usr is not merged, and stands for a root here")
		} else if err := os.Symlink(target, filepath.Join(machine, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(machine, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := Box{Machine: machine, Mounts: []kernels.Mount{{Host: "/usr", Guest: "/usr"}, {Host: laid, Guest: "/laid"}}}
	script := `id -u; grep -i capeff /proc/self/status; echo x >/etc/new && echo wrote; echo x >/laid/new || echo mounted; echo x >/usr/new || echo mounted
chown 1:1 /etc/new || echo no owner; cat /etc/shadow || echo no host; mount -t tmpfs x /etc || echo no mount; echo x >/proc/sys/kernel/core_pattern || echo no settings`
	out, exit, err := run(t, b, "sh", "-c", "("+script+") 2>/dev/null")
	want := "0\nCapEff:\t0000000000000000\nwrote\nmounted\nmounted\nno owner\nno host\nno mount\nno settings"
	if err != nil || exit != 0 || out != want {
		t.Errorf("exit %d, %v:\n%s", exit, err, out)
	}
	if data, err := os.ReadFile(filepath.Join(machine, "etc/new")); err != nil || strings.TrimSpace(string(data)) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if left, _ := os.ReadDir(laid); len(left) > 0 {
		t.Errorf("%v was written outside", left)
	}
}
