package guest

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestLineNames(t *testing.T) {
	for _, c := range []struct {
		what string
		name func(string) string
		line string
		want string
	}{
		{"modules", first, "fifo 16384 2 other,[permanent], Live 0xffffffffc0001000 (OE)\n", "fifo"},
		{"modules", first, "\n", ""},
		{"devices", whole, "240 fifo\n", "240 fifo"},
		{"misc", whole, " 58 rfkill\n", "58 rfkill"},
		{"filesystems", last, "nodev\tsysfs\n", "sysfs"},
		{"filesystems", last, "\text3\n", "ext3"},
		{"filesystems", last, "\n", ""},
		{"interrupts, 5.10", action, " 11:          4   IO-APIC  11-fasteoi   virtio0, fifo\n", "11: virtio0, fifo"},
		{"interrupts, two processors", action, "  24:          0        12   PCI-MSI 49152-edge      virtio0-config\n", "24: virtio0-config"},
		{"interrupts, 6.12", action, " 24:         31 PCI-MSIX-0000:00:01.0   1-edge      virtio0-req.0\n", "24: virtio0-req.0"},
		{"interrupts, a name with a space", action, "  9:          0   IO-APIC   9-fasteoi   my driver\n", "9: my driver"},
		{"interrupts, nobody handles it", action, "  9:          3   IO-APIC   9-fasteoi   \n", ""},
		{"interrupts, the processor's own", action, "NMI:          0   Non-maskable interrupts\n", ""},
		{"interrupts, the head", action, "            CPU0       CPU1\n", ""},
		{"iomem", region, "  fed00000-fed003ff : HPET 0\n", "fed00000-fed003ff : HPET 0"},
		{"iomem", region, "garbage\n", ""},
		{"crypto", algorithm, "driver       : sha256-generic\n", "sha256-generic"},
		{"crypto, made on demand", algorithm, "driver       : hmac(sha256-generic)\n", ""},
		{"crypto", algorithm, "name         : sha256\n", ""},
		{"crypto", algorithm, "\n", ""},
	} {
		if got := c.name(c.line); got != c.want {
			t.Errorf("%s: %q names %q, want %q", c.what, c.line, got, c.want)
		}
	}
}

func TestKernelThread(t *testing.T) {
	const kernel = " S 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 123 0 0"
	for _, c := range []struct {
		stat, name string
		ok         bool
	}{
		{"41 (fifo_drain)" + kernel, "fifo_drain", true},
		{"41 (a (b) c)" + kernel, "a (b) c", true},
		{"41 (kworker/0:1-events)" + kernel, "kworker/0:1-events", false},
		{"41 (kworker/R-fifo)" + kernel, "kworker/R-fifo", true},
		{"41 (irq/11-fifo)" + kernel, "irq/11-fifo", true},
		{"41 (ksoftirqd/1)" + kernel, "ksoftirqd/1", false},
		{"41 (sh) S 2 0 0 0 -1 4194560 0 0", "", false}, // a helper of the kernel's, once it runs its program
		{"41 (sh) S 2 0", "", false},
		{"41 (sh) S 2 0 0 0 -1 many", "", false},
		{")(", "", false},
		{"", "", false},
	} {
		name, ok := kernelThread(c.stat)
		if ok != c.ok || ok && name != c.name {
			t.Errorf("%q: %q, %v", c.stat, name, ok)
		}
	}
}

func TestSurveyReportsWhatIsNew(t *testing.T) {
	before := survey{things: map[string]bool{"/proc/misc: 1 a": true}, tasks: map[string]bool{"1": true}}
	after := survey{things: map[string]bool{"/proc/misc: 1 a": true, "/proc: x": true, "/proc/misc: 2 b": true}, tasks: map[string]bool{"1": true, "none": true}}
	if got := after.since(before); !slices.Equal(got, []string{"/proc/misc: 2 b", "/proc: x"}) {
		t.Errorf("%q", got)
	}
	if got := before.since(after); len(got) != 0 {
		t.Errorf("what is gone is reported: %q", got)
	}
}

// TestLookAroundHere runs the survey on the kernel of this machine: looking around is nothing that it finds.
func TestLookAroundHere(t *testing.T) {
	s := takeSurvey()
	if !s.things["/proc: self"] || !s.things["/proc/filesystems: proc"] || !s.tasks["1"] {
		t.Errorf("missed what every kernel has: %d things", len(s.things))
	}
	if got := lines(filepath.Join(t.TempDir(), "none"), whole); got != nil {
		t.Errorf("%q", got)
	}
}

func TestSlabName(t *testing.T) {
	dir := t.TempDir()
	link := func(id, name string) {
		t.Helper()
		if err := os.Symlink(id, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{":0000128", ":0000256", "unmerged"} {
		if err := os.Mkdir(filepath.Join(dir, id), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link(":0000128", "gone_before")
	before := list(dir, (*os.File).ReadDir)
	link(":0000128", "z_cache")
	link(":0000128", "fifo_cache")
	now := list(dir, (*os.File).ReadDir)
	for id, want := range map[string]string{"unmerged": "unmerged", ":0000128": "fifo_cache", ":0000256": ":0000256"} {
		if got := slabName(dir, id, now, before); got != want {
			t.Errorf("%s is called %q, want %q", id, got, want)
		}
	}
	if got := slabName(dir, ":0000128", now, now); got != "fifo_cache" {
		t.Errorf("the same again in the next round: %q", got)
	}
}

func TestUevents(t *testing.T) {
	for name, c := range map[string]struct {
		said []string
		want []string
	}{
		"a device":         {[]string{"add@/devices/virtual/misc/fifo"}, []string{"/devices/virtual/misc: fifo"}},
		"came and went":    {[]string{"add@/devices/virtual/misc/fifo", "remove@/devices/virtual/misc/fifo"}, nil},
		"it lies":          {[]string{"add@/devices/virtual/misc/none"}, nil},
		"with what it has": {[]string{"add@/devices/virtual/net/f0", "add@/devices/virtual/net/f0/queues/rx-0"}, []string{"/devices/virtual/net: f0"}},
		"a longer name":    {[]string{"add@/devices/virtual/net/f0", "add@/devices/virtual/net/f00"}, []string{"/devices/virtual/net: f0", "/devices/virtual/net: f00"}},
		"a name between": {[]string{"add@/devices/virtual/net/f0", "add@/devices/virtual/net/f0-x", "add@/devices/virtual/net/f0/queues/rx-0"},
			[]string{"/devices/virtual/net: f0", "/devices/virtual/net: f0-x"}},
		"another name":     {[]string{"add@/devices/virtual/net/old", "move@/devices/virtual/net/f0\x00DEVPATH_OLD=/devices/virtual/net/old\x00"}, []string{"/devices/virtual/net: f0"}},
		"not ours renamed": {[]string{"move@/devices/virtual/net/f0\x00DEVPATH_OLD=/devices/virtual/net/eth0\x00"}, nil},
		"asked for again":  {[]string{"add@/devices/virtual/misc/fifo\x00ACTION=add\x00SYNTH_UUID=0\x00"}, nil},
		"changed, bound":   {[]string{"change@/devices/virtual/misc/fifo", "bind@/devices/virtual/misc/fifo"}, nil},
		"surveyed":         {[]string{"add@/module/fifo", "add@/kernel/slab/:0000128", "add@/devices/virtual/vc/vcs1"}, nil},
		"rubbish":          {[]string{"", "@", "add", "\x00\x00", "add@"}, nil},
	} {
		root := t.TempDir()
		for _, p := range []string{"/devices/virtual/misc/fifo", "/devices/virtual/net/f0/queues/rx-0", "/devices/virtual/net/f0-x", "/devices/virtual/net/f00", "/module/fifo", "/kernel/slab/:0000128", "/devices/virtual/vc/vcs1"} {
			if err := os.MkdirAll(root+p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		u := &uevents{fd: -1, added: map[string]bool{}}
		for _, message := range c.said {
			u.apply(message)
		}
		var want []string
		for _, w := range c.want {
			want = append(want, root+w)
		}
		if got := u.left(root); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		u.reset()
		if got := u.left(root); got != nil {
			t.Errorf("%s: %q after it was forgotten", name, got)
		}
	}
}

func FuzzForeignLines(f *testing.F) {
	f.Add(" 11:   4   IO-APIC  11-fasteoi   virtio0")
	f.Add("41 (a (b) c) S 2 0 0 0 -1 2129984 0 0")
	f.Add("move@/a\x00DEVPATH_OLD=/b\x00")
	f.Add("[<0>] msleep+0x2d/0x40\n[<0>] stuck_init+0x1a/0x1000 [stuck]\nState:\tD (disk sleep)\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []func(string) string{first, whole, last, action, region, algorithm} {
			for line := range strings.Lines(text) {
				if got := name(line); strings.ContainsRune(got, '\n') {
					t.Errorf("%q gives %q", line, got)
				}
			}
		}
		if name, ok := kernelThread(text); ok && !strings.Contains(text, "("+name+")") {
			t.Errorf("%q is a thread named %q", text, name)
		}
		if functions := parseStack(text); len(functions) > maxFrames+1 || strings.Contains(strings.Join(functions, "")+threadState(text), "\n") {
			t.Errorf("%q is the stack %q in state %q", text, functions, threadState(text))
		}
		u := &uevents{fd: -1, added: map[string]bool{}}
		u.apply(text)
		if len(u.added) > 1 {
			t.Errorf("one message added %d things", len(u.added))
		}
	})
}

func TestStackLine(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil,
		"[<0>] msleep+0x2d/0x40\n[<0>] stuck_init+0x1a/0x1000 [stuck]\n[<0>] do_one_initcall+0x41/0x200\n": {"msleep", "stuck_init [stuck]", "do_one_initcall"},
		"[<ffffffff810a1b2c>] schedule_timeout+0x1/0x2\n[<ffffffffffffffff>] 0xffffffffffffffff\n":         {"schedule_timeout", "0xffffffffffffffff"},
		"Permission denied":    nil,
		"[<0>] \n[<0>] +0x1\n": nil,
	} {
		if got := parseStack(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	deep := parseStack(strings.Repeat("[<0>] recurse+0x1/0x2\n", 100))
	if len(deep) != maxFrames+1 || deep[maxFrames] != "…" {
		t.Errorf("%d functions, the last %q", len(deep), deep[len(deep)-1])
	}
}

func TestWhereabouts(t *testing.T) {
	proc := t.TempDir()
	thread := func(tid string, files map[string]string) {
		t.Helper()
		dir := filepath.Join(proc, "7", "task", tid)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	thread("7", map[string]string{"comm": "fifo.test\n", "stack": "[<0>] futex_wait+0x1/0x2\n", "status": "Name:\tx\nState:\tS (sleeping)\n"})
	thread("8", map[string]string{"comm": "fifo.test\n", "wchan": "fifo_read", "status": "State:\tS (sleeping)\n"})
	thread("9", map[string]string{"comm": "fifo.test\n", "wchan": "0", "status": "State:\tR (running)\n"})
	for tid, want := range map[int]string{7: "fifo.test (7): futex_wait", 8: "fifo.test (8): fifo_read", 9: "fifo.test (9): R (running)", 10: " (10): gone"} {
		if got := whereabouts(proc, 7, tid); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := stuckProcess(proc, 7); got != "fifo.test (9): R (running)" {
		t.Errorf("of those that can be signalled, %q", got)
	}
	thread("11", map[string]string{"comm": "fifo.test\n", "stack": "[<0>] fifo_ioctl+0x1/0x2 [fifo]\n[<0>] vfs_ioctl+0x1/0x2\n", "status": "State:\tD (disk sleep)\n"})
	if got := stuckProcess(proc, 7); got != "fifo.test (11): fifo_ioctl [fifo] <- vfs_ioctl" {
		t.Errorf("%q", got)
	}
	if got := stuckProcess(proc, 99); !strings.HasSuffix(got, "gone") {
		t.Errorf("%q", got)
	}
}
