package guest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// fakeMachine is a machine as its files show it, on which anything may be loaded.
func fakeMachine(t *testing.T, files map[string]string) *here {
	t.Helper()
	dir := t.TempDir()
	h := &here{proc: filepath.Join(dir, "proc"), sys: filepath.Join(dir, "sys"), lockPath: filepath.Join(dir, "lock"), settings: map[string]string{}}
	all := map[string]string{
		"proc/sys/kernel/random/boot_id": "b\n", "proc/sys/kernel/tainted": "4096\n", "proc/sys/kernel/modules_disabled": "0\n",
		"proc/self/status": "Name:\tx\nCapEff:\t000001ffffffffff\n", "proc/modules": "loop 32768 0 - Live 0x0\n",
		"sys/kernel/security/lockdown": "[none] integrity confidentiality\n", "sys/module/module/parameters/sig_enforce": "N\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// TestFit loads into no kernel that would not take it, and touches nothing that was there before.
func TestFit(t *testing.T) {
	ko := filepath.Join(t.TempDir(), "fifo.ko")
	if err := os.WriteFile(ko, []byte("ELF"), 0o644); err != nil {
		t.Fatal(err)
	}
	plan := wire.Plan{Modules: []wire.Module{{Name: "fifo", Path: ko}}, Spare: []wire.Module{{Name: "spare"}}}
	for name, c := range map[string]struct{ file, text, want string }{
		"all is well":     {"proc/modules", "loop 32768 0 - Live 0x0\n", ""},
		"no capability":   {"proc/self/status", "CapEff:\t00000000a80425fb\n", "CAP_SYS_MODULE"},
		"no more modules": {"proc/sys/kernel/modules_disabled", "1\n", "modules_disabled"},
		"an oops before":  {"proc/sys/kernel/tainted", "4224\n", "reboot"},
		"a warning":       {"proc/sys/kernel/tainted", "512\n", ""},
		"loaded":          {"proc/modules", "fifo 16384 0 - Live 0x0 (OE)\n", "sudo modprobe -r fifo"},
		"a spare one":     {"proc/modules", "spare 16384 0 - Live 0x0 (OE)\n", "sudo modprobe -r spare"},
		"one that hangs":  {"proc/modules", "fifo 16384 1 - Loading 0x0 (OE+)\n", "reboot"},
		"Secure Boot":     {"sys/kernel/security/lockdown", "none [integrity] confidentiality\n", "signed modules alone"},
		"signatures":      {"sys/module/module/parameters/sig_enforce", "Y\n", "signed modules alone"},
	} {
		t.Run(name, func(t *testing.T) {
			err := fakeMachine(t, map[string]string{c.file: c.text}).fit(plan)
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
	signedPlan := plan
	if err := os.WriteFile(ko, []byte("ELF"+signed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fakeMachine(t, map[string]string{"sys/module/module/parameters/sig_enforce": "Y\n"}).fit(signedPlan); err != nil {
		t.Errorf("a signed module: %v", err)
	}
	first := fakeMachine(t, nil)
	second := fakeMachine(t, nil)
	second.lockPath = first.lockPath
	if err := first.fit(plan); err != nil {
		t.Fatal(err)
	}
	if err := second.fit(plan); err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("two at once: %v", err)
	}
}

// TestKernelLog shows records as a console does, which of them were lost, and nothing once it is closed.
func TestKernelLog(t *testing.T) {
	records := []string{"6,7,1500000,-;one\n", "12,8,1500001,-,caller=T12;two\\x0alines\n", "", "4,12,61000000,-;late\n", "no record"}
	var sent strings.Builder
	l := &kernelLog{send: func(lines string) { sent.WriteString(lines) }, read: func(p []byte) (int, error) {
		if len(records) == 0 {
			return 0, unix.EAGAIN
		}
		r := records[0]
		records = records[1:]
		if r == "" {
			return 0, unix.EPIPE
		}
		return copy(p, r), nil
	}}
	l.drain()
	want := "<6>[    1.500000] one\n<12>[    1.500001][   T12] two\n<12>[    1.500001][   T12] lines\n** 3 printk messages dropped **\n<4>[   61.000000] late\n"
	if sent.String() != want {
		t.Errorf("%q\nwant %q", sent.String(), want)
	}
	records = []string{"6,13,1,-;last\n"}
	l.close()
	records = []string{"6,14,1,-;too late\n"}
	if l.drain() || !strings.HasSuffix(sent.String(), "last\n") {
		t.Errorf("%q", sent.String())
	}
}

// TestKillsOnlyItsOwn ends what this process has started, whatever that has started, and nothing else.
func TestKillsOnlyItsOwn(t *testing.T) {
	other := exec.Command("sleep", "1000") // stands for the machine's own: what kills is not its parent
	child := exec.Command("sh", "-c", "sleep 1000 & wait")
	for _, cmd := range []*exec.Cmd{other, child} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { cmd.Process.Kill(); cmd.Wait() }()
	}
	w := watch{proc: "/proc", self: child.Process.Pid}
	for start := time.Now(); len(w.watched()) < 2 && time.Since(start) < time.Minute; {
	}
	below := w.watched()
	killDescendants("/proc", child.Process.Pid)
	if slices.Contains(below, other.Process.Pid) || slices.Contains(below, os.Getpid()) || len(below) != 2 {
		t.Errorf("below %d: %v", child.Process.Pid, below)
	}
	// The reaper of a guest that another test made may have been first to collect it.
	if err := child.Wait(); err != nil && !strings.Contains(err.Error(), "exit status") && !errors.Is(err, syscall.ECHILD) {
		t.Errorf("the shell waits for what was killed: %v", err)
	}
	if syscall.Kill(other.Process.Pid, 0) != nil {
		t.Error("another process was ended")
	}
	r := reaper{kill: killOthers}
	r.kill() // this is not PID 1
	if syscall.Kill(other.Process.Pid, 0) != nil {
		t.Error("another process was ended")
	}
}

// TestAnnounce writes a line before each step, on the disk, and forgets them where all went well.
func TestAnnounce(t *testing.T) {
	dir := t.TempDir()
	g := newGuest(places{run: filepath.Join(dir, "run")})
	g.here, g.plan = &here{boot: "b", settings: map[string]string{}}, wire.Plan{Nonce: "n", Modules: []wire.Module{{Name: "fifo"}},
		Here: &wire.Here{Journal: filepath.Join(dir, "here-1.jsonl"), Label: "6.1+here", Source: "sha256:1"}, Suites: []wire.Suite{{Name: "s", Only: []string{"one"}}}}
	g.shown = []string{"fifo"}
	name := "s"
	g.suite.Store(&name)
	for _, step := range []struct{ stage, spec string }{{"boot", ""}, {"load", ""}, {"test", ""}, {"test", "one"}, {"shutdown", ""}} {
		g.stageName.Store(&step.stage)
		g.announce(step.spec)
	}
	f, err := os.Open(g.plan.Here.Journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := wire.ReadDoings(f)
	if len(list) != 3 || list[0].Stage != "load" || list[2].Spec != "one" || list[2].Suite != "s" || !slices.Equal(list[2].Only, []string{"one"}) || list[1].Boot != "b" {
		t.Errorf("%+v", list)
	}
	g.here.forget()
	if _, err := os.Stat(g.plan.Here.Journal); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

// TestSettings are as before.
func TestSettings(t *testing.T) {
	h := fakeMachine(t, map[string]string{"proc/sys/kernel/printk_devkmsg": "ratelimit\n"})
	path := filepath.Join(h.proc, "sys/kernel/printk_devkmsg")
	h.set("sys/kernel/printk_devkmsg", "on")
	if text, _ := os.ReadFile(path); string(text) != "on\n" {
		t.Errorf("%q", text)
	}
	h.restore()
	if text, _ := os.ReadFile(path); string(text) != "ratelimit\n" {
		t.Errorf("%q", text)
	}
}
