package suites

import (
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParamLine(t *testing.T) {
	for _, c := range []struct {
		params []string
		want   string // "" for an error
	}{
		{[]string{"capacity=16", "overwrite"}, "capacity=16 overwrite"},
		{[]string{"name=two words", "n=1"}, `name="two words" n=1`},
		{[]string{"empty="}, "empty="},
		{[]string{`name="x"`}, ""},
		{[]string{"two words"}, ""},
		{[]string{"=1"}, ""},
		{[]string{"a=\x00"}, ""},
	} {
		got, err := paramLine(c.params)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: got %q, %v; want %q", c.params, got, err, c.want)
		}
	}
}

func TestSameParam(t *testing.T) {
	for _, c := range []struct {
		kind, given, shown string
		same, known        bool
	}{
		{"int", "0x10", "16", true, true},
		{"int", "-1", "-1", true, true},
		{"int", "010", "8", true, true},
		{"int", "0X1B", "27", true, true},
		{"int", "-0x1b", "-27", true, true},
		{"int", "+0x1b", "27", true, true},
		{"int", `"16"`, "16", true, true},
		{"uint", "0x1_b", "27", false, true},
		{"uint", "0b11", "3", false, true},
		{"uint", "16", "17", false, true},
		{"uint", "16", "", false, true},
		{"uint", "1_6", "16", false, true},
		{"bool", "1", "Y", true, true},
		{"bool", "", "Y", true, true},
		{"bool", "off", "N", true, true},
		{"bool", `"1"`, "Y", true, true},
		{"bool", `"0"`, "Y", false, true},
		{"bool", "on", "N", false, true},
		{"charp", "two words", "two words", true, true},
		{"charp", "a", "b", false, true},
		{"array of int", "1,2", "1,2,0,0", true, true},
		{"array of int", `"1,2"`, "1,2", true, true},
		{"array of int", "1,2", "1", false, true},
		{"array of int", "1,2", "1,3", false, true},
		{"", "1", "1", false, false},
		{"mac", "1", "1", false, false},
	} {
		same, known := SameParam(c.kind, c.given, c.shown)
		if same != c.same || known != c.known {
			t.Errorf("%s %q and %q: got %v, %v; want %v, %v", c.kind, c.given, c.shown, same, known, c.same, c.known)
		}
	}
	for kind, want := range map[string]bool{"int": true, "array of bool": true, "charp": false, "": false, "bint": false} {
		if ParamRefusesWords(kind) != want {
			t.Errorf("refuses words: %q is %v", kind, !want)
		}
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"6.12.107": {6, 12, 107}, "6.1.0-56-amd64": {6, 1, 0}, "7.3": {7, 3, 0}, "6.12.0-rc3": {6, 12, 0},
		"6.12.107+deb13-amd64": {6, 12, 107}, "5.10.0.1": {5, 10, 0},
	} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "6", "x.y", ".1", "6..1", "99999999999999999999.1"} {
		if got, err := ParseVersion(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
	v := Version{6, 12, 5}
	if !v.AtLeast(6, 12) || !v.AtLeast(5, 15) || v.AtLeast(6, 13) || v.AtLeast(7, 0) || v.Compare(Version{6, 12, 5}) != 0 {
		t.Errorf("%v does not compare", v)
	}
	if got, err := KernelVersion(); err != nil || got.Major == 0 {
		t.Errorf("this kernel is %v, %v", got, err)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("6.12.107+deb13-amd64")
	f.Add("6..")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if again, err2 := ParseVersion(v.String()); err == nil && (err2 != nil || again != v) {
			t.Errorf("%q gives %v, and that gives %v, %v", text, v, again, err2)
		}
	})
}

func TestTaint(t *testing.T) {
	for taint, want := range map[Taint]string{0: "none", 1<<12 | 1<<13: "OE", 1 | 1<<9: "PW", 1 << 19: "J", 1 << 20: "bit20", 1<<18 - 1: "PFSRMBUDAWCIOELKXT"} {
		if taint.String() != want {
			t.Errorf("%d is %q, want %q", uint64(taint), taint, want)
		}
	}
	if BadTaint.String() != "FRMBDWL" {
		t.Errorf("bad taint is %s", BadTaint)
	}
	if got := Taint(0x3200).Since(0x3000); got != 0x200 || got.Bad() != 0x200 || Taint(0x3001).Bad() != 0 {
		t.Errorf("since is %s", got)
	}
	if _, err := KernelTaint(); err != nil {
		t.Error(err)
	}
}

func TestIsFault(t *testing.T) {
	for _, line := range []string{
		"BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"BUG: KASAN: slab-out-of-bounds in fifo_read+0x1/0x2 [fifo]",
		"BUG kmalloc-64 (Tainted: G OE): Right Redzone overwritten",
		"WARNING: CPU: 0 PID: 95 at /build/warn.c:3 w_exit+0x0/0x1000 [warn]",
		"WARNING: /build/warn.c:3 at w_exit+0x0/0x1000 [warn], CPU#1: insmod/95",
		"WARNING: possible circular locking dependency detected",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"INFO: task insmod:95 blocked for more than 120 seconds.",
		"refcount_t: underflow; use-after-free.",
		"Oops: 0002 [#1] PREEMPT SMP NOPTI",
		"Oops: Oops: 0002 [#1] SMP NOPTI",
		"Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP NOPTI",
		"Internal error: Oops: 0000000096000004 [#1] SMP",
		"invalid opcode: 0000 [#1] SMP PTI",
		"Oops: divide error: 0000 [#1] SMP NOPTI",
		"sysfs: cannot create duplicate filename '/class/fifo'",
		"ODEBUG: free active (active state 0) object: 0000 object type: timer_list",
	} {
		if !isFault(line) {
			t.Errorf("no fault: %s", line)
		}
	}
	for _, line := range []string{
		"fifo: loading out-of-tree module taints kernel.",
		"DEBUG: nothing to see",
		"WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
		"traps: a.out[99] general protection fault ip:401136 sp:7ffe error:0 in a.out[401000+1000]",
		"INFO: lockdep is turned off.",
		"INFO: task scheduled",
		"harmless_words: Oops: just kidding",
		"harmless_words: general protection is on, invalid opcodes: 0, KASAN: off",
	} {
		if isFault(line) {
			t.Errorf("a fault: %s", line)
		}
	}
}

func FuzzIsFault(f *testing.F) {
	f.Add("BUG: x")
	f.Add("INFO: task \xff blocked ")
	f.Fuzz(func(t *testing.T, line string) {
		// What stands before a fault does not hide it, unless it makes the first word a part of another.
		if isFault(line) && !isFault("[    1.0] "+line) {
			t.Errorf("%q is one only at the start of a line", line)
		}
	})
}

// fakeLog is a kernel log whose reads give these records, or the errnos among them.
func fakeLog(t *testing.T, answers ...any) *KernelLog {
	t.Helper()
	return &KernelLog{read: func(_ int, p []byte) (int, error) {
		if len(answers) == 0 {
			return 0, unix.EAGAIN
		}
		answer := answers[0]
		answers = answers[1:]
		if errno, ok := answer.(unix.Errno); ok {
			return 0, errno
		}
		return copy(p, answer.(string)), nil
	}}
}

func TestKernelLog(t *testing.T) {
	log := fakeLog(t, "6,1,0,-;fifo: one\\x0atwo\n", "12,2,0,-;BUG: forged by a process\n", unix.EINTR, "6,3,0,-;three\n", unix.EAGAIN,
		"4,4,0,-;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n")
	lines, err := log.Lines()
	if want := []string{"fifo: one", "two", "three"}; err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("got %q, %v", lines, err)
	}
	// A second look goes on where the first ended, and gives everything.
	if lines, err = log.Lines(); err != nil || len(lines) != 4 {
		t.Errorf("got %q, %v", lines, err)
	}
	matcher := HaveNoFault()
	if quiet, err := matcher.Match(log); err != nil || quiet {
		t.Errorf("no fault found: %v", err)
	}
	message := matcher.FailureMessage(log)
	first, _, _ := strings.Cut(message, "\n")
	if !strings.Contains(first, `"WARNING: CPU: 0`) || !strings.Contains(message, "\n  WARNING: CPU: 0") || strings.Contains(message, "three") {
		t.Errorf("message is %s", message)
	}
}

func TestKernelLogOverrun(t *testing.T) {
	log := fakeLog(t, unix.EPIPE, "6,9,0,-;after the loss\n")
	for range 2 { // and it is not forgotten
		lines, err := log.Lines()
		if !errors.Is(err, ErrLogOverrun) || len(lines) != 1 {
			t.Errorf("got %q, %v", lines, err)
		}
	}
	if _, err := HaveNoFault().Match(log); !errors.Is(err, ErrLogOverrun) {
		t.Errorf("a log with a hole is called clean: %v", err)
	}
	if _, err := fakeLog(t, unix.EIO).Lines(); !errors.Is(err, unix.EIO) {
		t.Errorf("got %v", err)
	}
}

func TestContainKernelLine(t *testing.T) {
	lines := []string{"fifo: capacity must be a power of two", "next"}
	for _, c := range []struct {
		pattern any
		want    bool
	}{{"power of two", true}, {"power of ten", false}, {regexp.MustCompile(`^fifo: .* two$`), true}, {regexp.MustCompile(`^two`), false}} {
		if got, err := ContainKernelLine(c.pattern).Match(lines); err != nil || got != c.want {
			t.Errorf("%v: got %v, %v", c.pattern, got, err)
		}
	}
	if _, err := ContainKernelLine(7).Match(lines); err == nil {
		t.Error("takes a number for a pattern")
	}
	if _, err := HaveNoFault().Match("a string"); err == nil {
		t.Error("takes a string for a log")
	}
}

func TestOpenPlan(t *testing.T) {
	dir := t.TempDir()
	if _, err := openPlan(filepath.Join(dir, "plan.json")); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	bad, good := filepath.Join(dir, "bad"), filepath.Join(dir, "good")
	writeFile(t, bad, "{")
	writeFile(t, good, `{"target":{"version":"6.12.107"},"modules":[{"name":"fifo","params":["capacity=16"]}]}`)
	if _, err := openPlan(bad); err == nil || errors.Is(err, ErrNoPlan) {
		t.Errorf("a damaged plan gives %v", err)
	}
	plan, err := openPlan(good)
	if err != nil || plan.Target.Version != "6.12.107" || plan.Modules[0].Params[0] != "capacity=16" {
		t.Errorf("got %+v, %v", plan, err)
	}
}

func TestKernelConfig(t *testing.T) {
	const text = "# CONFIG_OFF is not set\nCONFIG_ON=y\nCONFIG_NAME=\"a b\"\nCONFIG_ONE=m\n"
	dir := t.TempDir()
	own, given := filepath.Join(dir, "config.gz"), filepath.Join(dir, "config")
	if _, err := openConfig(own, given); !errors.Is(err, ErrNoKernelConfig) {
		t.Errorf("got %v", err)
	}
	writeFile(t, given, "CONFIG_ON=given\n")
	if got := config(t, own, given, "ON"); got != "given" {
		t.Errorf("got %q", got)
	}
	var packed strings.Builder
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	writeFile(t, own, packed.String())
	for symbol, want := range map[string]string{"ON": "y", "CONFIG_ON": "y", "OFF": "", "NAME": "a b", "O": ""} {
		if got := config(t, own, given, symbol); got != want {
			t.Errorf("%s is %q, want %q", symbol, got, want)
		}
	}
	writeFile(t, own, "no gzip")
	if _, err := openConfig(own, given); err == nil {
		t.Error("takes a damaged file for a configuration")
	}
}

func config(t *testing.T, own, given, symbol string) string {
	t.Helper()
	text, err := openConfig(own, given)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	value, err := configValue(text, symbol)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestDevice(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	reader, writer := &Device{fds[0], "reader"}, &Device{fds[1], "writer"}
	defer reader.Close()
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("reading nothing gives %v", err)
	}
	if events, err := reader.Poll(unix.POLLIN, time.Millisecond); events != 0 || err != nil {
		t.Errorf("polling nothing gives %v, %v", events, err)
	}
	if n, err := writer.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("writing gives %d, %v", n, err)
	}
	if events, err := reader.Poll(unix.POLLIN, time.Hour); events != unix.POLLIN || err != nil {
		t.Errorf("polling gives %v, %v", events, err)
	}
	buffer := make([]byte, 2)
	if n, err := reader.Read(buffer); n != 2 || err != nil || string(buffer) != "ab" {
		t.Errorf("reading gives %q, %v", buffer[:n], err)
	}
	for range 2 {
		if err := writer.Close(); err != nil || writer.Fd() != -1 {
			t.Errorf("closing gives %v and leaves %d", err, writer.Fd())
		}
	}
	if _, err := OpenDevice("/dev/there-is-no-such-device", unix.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening nothing gives %v", err)
	}
}

func TestWaitForDevice(t *testing.T) {
	if err := WaitForDevice("/dev/null", time.Hour); err != nil {
		t.Error(err)
	}
	err := WaitForDevice("/dev/there-is-no-such-device", time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no /dev/there-is-no-such-device after 1ms") {
		t.Errorf("got %v", err)
	}
	plain := filepath.Join(t.TempDir(), "file")
	writeFile(t, plain, "")
	if err := WaitForDevice(plain, time.Hour); err == nil || !strings.Contains(err.Error(), "no device node") {
		t.Errorf("got %v", err)
	}
}

func TestMakeNode(t *testing.T) {
	dir := t.TempDir()
	classes, node := filepath.Join(dir, "class"), filepath.Join(dir, "null")
	if err := makeNode(node, classes); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	device := filepath.Join(classes, "mem", strings.ReplaceAll(node, "/", "!"))
	if err := os.MkdirAll(device, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(device, "dev"), "1:3\n")
	err := makeNode(node, classes)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("may not make device nodes: " + err.Error())
	}
	var stat unix.Stat_t
	if err := errors.Join(err, unix.Stat(node, &stat)); err != nil || stat.Rdev != unix.Mkdev(1, 3) || stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("got %x %o, %v", stat.Rdev, stat.Mode, err)
	}
}

func TestParseDev(t *testing.T) {
	if got, err := parseDev("10:125\n"); err != nil || got != unix.Mkdev(10, 125) {
		t.Errorf("got %d, %v", got, err)
	}
	for _, text := range []string{"", "10", ":", "10:x", "-1:2", "99999999999:1"} {
		if got, err := parseDev(text); err == nil {
			t.Errorf("%q gives %d", text, got)
		}
	}
}

// The modules of the machine that the tests run on are only looked at.
func TestModuleThatIsNotThere(t *testing.T) {
	m := Module("there-is-no-such-module")
	if m.Name() != "there_is_no_such_module" {
		t.Errorf("name is %s", m.Name())
	}
	if _, err := os.Stat("/proc/modules"); err != nil {
		t.Skip("this kernel has no modules: " + err.Error())
	}
	if state, err := m.State(); state != "" || err != nil {
		t.Errorf("state is %q, %v", state, err)
	}
	if _, err := m.RefCount(); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("got %v", err)
	}
	if err := m.Load(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Param("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
