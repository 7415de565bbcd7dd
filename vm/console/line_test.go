package console

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	tests := []struct {
		name, raw string
		want      Line
	}{
		{"bare", "hello", Line{Text: "hello", Level: -1}},
		{"stamp", "[    1.234567] hello", Line{Text: "hello", Level: -1, Stamp: true}},
		{"indentation is kept", "[    1.234567]  fn+0x1/0x2", Line{Text: " fn+0x1/0x2", Level: -1, Stamp: true}},
		{"task", "[12345.234567][ T123] hello", Line{Text: "hello", Caller: "T123", Level: -1, Stamp: true}},
		{"cpu", "[    1.234567][    C1] hello", Line{Text: "hello", Caller: "C1", Level: -1, Stamp: true}},
		{"no caller", "[    1.234567][ Txy] hello", Line{Text: "[ Txy] hello", Level: -1, Stamp: true}},
		{"level", "<6>[    1.234567] hello", Line{Text: "hello", Level: 6, Stamp: true}},
		{"user facility", "<12>[    1.234567] hello", Line{Text: "hello", Level: 4, User: true, Stamp: true}},
		{"not a level", "<6x> hello", Line{Text: "<6x> hello", Level: -1}},
		{"not a stamp", "[1.2] hello", Line{Text: "[1.2] hello", Level: -1}},
		{"syslog file", "Nov 22 11:25:00 guest kernel: hello", Line{Text: "hello", Level: -1}},
		{"syslog file of a process", "Nov 22 11:25:00 guest cron: hello", Line{Text: "Nov 22 11:25:00 guest cron: hello", Level: -1}},
		{"line end", "hello\r", Line{Text: "hello", Level: -1}},
		{"ansi", "\x1b[31mred\x1b[0m \x1b7saved", Line{Text: "red saved", Level: -1}},
		{"cut ansi", "red\x1b[3", Line{Text: "red", Level: -1}},
		{"nul and tab", "\x00a\x00b\tc", Line{Text: "ab c", Level: -1}},
		{"invalid utf-8", "a\xffb", Line{Text: "a\uFFFDb", Level: -1}},
		{"direction", "a\u202eb\u2066c", Line{Text: "abc", Level: -1}},
		{"empty", "", Line{Level: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean([]byte(tt.raw)); got != tt.want {
				t.Errorf("Clean(%q) = %+v, want %+v", tt.raw, got, tt.want)
			}
		})
	}
	if got := Clean([]byte(strings.Repeat("x", 3*maxLine))); len(got.Text) != maxLine {
		t.Errorf("a long line is cut to %d bytes, want %d", len(got.Text), maxLine)
	}
}

func FuzzClean(f *testing.F) {
	f.Add([]byte("<6>[    1.234567][    C1] hello\r\n"))
	f.Add([]byte("Nov 22 11:25:00 guest kernel: \x1b[31m\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := Clean(raw)
		if strings.ContainsAny(l.Text, "\x00\x1b\r\n\u202e") || l.Level < -1 || l.Level > 7 {
			t.Errorf("Clean(%q) = %+v", raw, l)
		}
		if !strings.Contains(l.Text, "[") && !strings.Contains(l.Text, "<") {
			if again := Clean([]byte(l.Text)); strings.TrimLeft(again.Text, " ") != strings.TrimLeft(l.Text, " ") && !strings.Contains(l.Text, " kernel: ") {
				t.Errorf("Clean is not stable: %q, then %q", l.Text, again.Text)
			}
		}
	})
}

func TestLost(t *testing.T) {
	log := "[    1.000000] a\n** 12 printk messages dropped ** [    2.000000] b\n** 3 printk messages dropped **\n" +
		"** replaying previous printk message **\n** not a notice **\n** x printk messages dropped **\n"
	if got, want := Lost([]byte(log)), (Loss{Dropped: 15, Replayed: 1}); got != want || got.Complete() {
		t.Errorf("Lost = %+v, want %+v and not complete", got, want)
	}
	if got := Lost([]byte("[    1.000000] a\n**\n** ")); !got.Complete() {
		t.Errorf("Lost = %+v, want nothing", got)
	}
}

func TestReason(t *testing.T) {
	const taint = "[    5.000000] my_fifo: loading out-of-tree module taints kernel.\n"
	tests := []struct{ name, log, want string }{
		{"symbol", taint + "[    5.1] noise\n[    5.100000] my_fifo: Unknown symbol foo (err -2)\n[    5.200000] my_fifo: Unknown symbol bar (err -2)\n", "my_fifo: Unknown symbol foo (err -2)"},
		{"version", "[    5.100000] my_fifo: disagrees about version of symbol module_layout\n", "my_fifo: disagrees about version of symbol module_layout"},
		{"vermagic", "[    5.100000] my_fifo: version magic '6.1.0 SMP ' should be '6.2.0 SMP '\n", "my_fifo: version magic '6.1.0 SMP ' should be '6.2.0 SMP '"},
		{"policy names no module", taint + "[    5.100000] Loading of unsigned module is rejected\n", "Loading of unsigned module is rejected"},
		{"btf", "[    5.100000] failed to validate module [my_fifo] BTF: -22\n", "failed to validate module [my_fifo] BTF: -22"},
		{"another module's trouble", "[    5.100000] other: Unknown symbol foo (err -2)\n", ""},
		{"the module's own last words", taint + "[    5.100000] my-fifo: probing\n[    5.200000] my_fifo: no such device\n[    5.300000] usb 1-1: hello\n", "my_fifo: no such device"},
		{"as a device's driver", "[    5.200000] my_fifo 0000:00:03.0: probe failed with error -19\n", "my_fifo 0000:00:03.0: probe failed with error -19"},
		{"a process cannot speak for it", "<12>[    5.200000] my_fifo: no such device\n", ""},
		{"nothing but the taint", taint, ""},
		{"loader before module", "[    5.200000] my_fifo: hello\n[    5.300000] my_fifo: Unknown symbol foo (err -2)\n[    5.400000] my_fifo: bye\n", "my_fifo: Unknown symbol foo (err -2)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Reason([]byte(tt.log), "my-fifo"); got != tt.want {
				t.Errorf("Reason = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSplatIn(t *testing.T) {
	s := Splat{Function: "usb_submit", Module: "usbcore", Frames: []Frame{
		{Function: "guess", Module: "my_fifo"},
		{Function: "usb_submit", Module: "usbcore", Reliable: true},
		{Function: "fifo_send", Module: "my_fifo", Reliable: true},
	}}
	if f, ok := s.In("my-fifo"); !ok || f.Function != "fifo_send" {
		t.Errorf("In(my-fifo) = %+v, %v", f, ok)
	}
	if f, ok := s.In("usbcore"); !ok || f.Function != "usb_submit" {
		t.Errorf("In(usbcore) = %+v, %v", f, ok)
	}
	if f, ok := s.In("vfat"); ok {
		t.Errorf("In(vfat) = %+v", f)
	}
	if f, ok := (Splat{Function: "x"}).In(""); ok {
		t.Errorf("In of no module = %+v", f)
	}
}

// TestBounds holds that a log made of faults costs no more than its bounds allow.
func TestBounds(t *testing.T) {
	one := "[    1.000000] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 foo+0x1/0x2\n"
	if got := len(Scan([]byte(strings.Repeat(one, 3*maxSplats)))); got != maxSplats {
		t.Errorf("%d splats, want %d", got, maxSplats)
	}
	note := "[    1.000000] fifo: Unknown symbol foo (err -2)\n"
	splats := Scan([]byte(strings.Repeat(note, 3*maxSplats) + one))
	if len(splats) != maxSplats+1 || splats[maxSplats].Severity != Warn {
		t.Errorf("%d splats: notes must not push a fault out", len(splats))
	}
	if got := Scan([]byte(strings.Repeat("x", 2*maxLine) + one)); len(got) != 1 {
		t.Errorf("%d splats behind a line without end, want 1: the stamp begins a new one", len(got))
	}
}

// TestGuilty holds that a splat keeps the place of its function as the object file has it: the whole symbol, and whether
// the offset is where the processor was or where a call returns to.
func TestGuilty(t *testing.T) {
	tests := []struct {
		name, log string
		want      Frame
	}{
		{"registers", "BUG: kernel NULL pointer dereference, address: 0000000000000000\n" +
			"RIP: 0010:fifo_push.isra.0.cold+0x12/0x30 [fifo]\nCall Trace:\n <TASK>\n vfs_write+0x10/0x20\n",
			Frame{Function: "fifo_push", Symbol: "fifo_push.isra.0.cold", Offset: 0x12, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"header", "WARNING: CPU: 0 PID: 1 at fifo.c:12 fifo_init+0x8/0x30 [fifo]\n",
			Frame{Function: "fifo_init", Symbol: "fifo_init", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"caller", "BUG: sleeping function called from invalid context at mm/slab.h:12\nCall Trace:\n <TASK>\n dump_stack+0x1/0x2\n" +
			" fifo_read+0x44/0x60 [fifo]\n vfs_read+0x10/0x20\n",
			Frame{Function: "fifo_read", Symbol: "fifo_read", Offset: 0x44, Size: 0x60, Module: "fifo", Reliable: true}},
		{"arm64: the trace begins where the processor was", "Unable to handle kernel paging request at virtual address ffff000000000003\npc : fifo_push+0x8/0x30 [fifo]\n" +
			"lr : fifo_write+0x14/0x60 [fifo]\nCall trace:\n fifo_push+0x8/0x30 [fifo] (P)\n fifo_write+0x14/0x60 [fifo]\n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"riscv: so does that of a WARNING", "WARNING: CPU: 0 PID: 1 at fifo.c:12 fifo_push+0x8/0x30 [fifo]\nepc : fifo_push+0x8/0x30 [fifo]\n ra : fifo_write+0x14/0x60 [fifo]\n" +
			"[<ffffffff01404008>] fifo_push+0x8/0x30 [fifo]\n[<ffffffff01404114>] fifo_write+0x14/0x60 [fifo]\n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"powerpc: a function that called itself", "BUG: Unable to handle kernel data access on write at 0xc0debabe00000110\nNIP [c008000000d80008] fifo_dive+0x8/0x30 [fifo]\n" +
			"LR [c008000000d80014] fifo_dive+0x14/0x30 [fifo]\nCall Trace:\n[c00000000b1f3c30] [c008000000d80014] fifo_dive+0x14/0x30 [fifo] (unreliable)\n",
			Frame{Function: "fifo_dive", Symbol: "fifo_dive", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"s390: past the instruction that was at fault", "illegal operation: 0001 ilc:1 [#1] SMP \nKrnl PSW : 0704c00180000000 000003ff7fd04008 (fifo_push+0x8/0x30 [fifo])\n" +
			"Call Trace:\n [<000003ff7fd04008>] fifo_push+0x8/0x30 [fifo] \n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true}},
		{"s390: past the check of a BUG", "kernel BUG at fifo.c:12!\nmonitor event: 0040 ilc:2 [#1] SMP \nKrnl PSW : 0704c00180000000 000003ff7fd04008 (fifo_push+0x8/0x30 [fifo])\n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true}},
		{"s390: at an instruction that a page fault undid", "Unable to handle kernel pointer dereference in virtual kernel address space\nOops: 0011 ilc:3 [#1] SMP \n" +
			"Krnl PSW : 0704c00180000000 000003ff7fd04008 (fifo_push+0x8/0x30 [fifo])\nCall Trace:\n [<000003ff7fd04008>] fifo_push+0x8/0x30 [fifo] \n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true, PC: true}},
		{"arm: a WARNING is a call, and its place where that returns to", "WARNING: CPU: 0 PID: 1 at fifo.c:12 fifo_push+0x8/0x30 [fifo]\nCall trace: \n" +
			" __warn from warn_slowpath_fmt+0x18c/0x198\n warn_slowpath_fmt from fifo_push+0x8/0x30 [fifo]\n fifo_push [fifo] from fifo_write+0x14/0x60 [fifo]\n",
			Frame{Function: "fifo_push", Symbol: "fifo_push", Offset: 0x8, Size: 0x30, Module: "fifo", Reliable: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			splats := Scan([]byte(tt.log))
			if len(splats) != 1 || splats[0].Guilty != tt.want {
				t.Errorf("got  %+v\nwant %+v", splats, tt.want)
			}
		})
	}
}
