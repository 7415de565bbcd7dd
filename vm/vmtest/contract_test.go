package vmtest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func TestMain(m *testing.M) { vmtest.Main(m) }

// kernelsEnv lists images, separated by colons, of which the first is booted in a real QEMU.
const kernelsEnv = "MODMATRIX_TEST_KERNELS"

// contract is what QEMU's monitor and QEMU's end say, step by step. The fake is held to it, and so is the real one: what
// the tests above us learn from the fake is worth what this is worth.
var contract = []struct {
	name   string
	script string   // of the fake's guest
	act    string   // the same, in the words of the init of vm's tests
	args   []string // beyond the usual ones
	do     []string // commands of the monitor, or signals
	want   string
}{
	{"power-off", "poweroff", "nothing", nil, []string{"cont"},
		"greeting; return; event RESUME; event SHUTDOWN guest guest-shutdown; exit 0"},
	{"panic", "reset", "panic", nil, []string{"cont"},
		"greeting; return; event RESUME; event SHUTDOWN guest guest-reset; exit 0"},
	{"reset", "reset", "reboot", nil, []string{"cont"},
		"greeting; return; event RESUME; event SHUTDOWN guest guest-reset; exit 0"},
	{"quit while it hangs", "", "hang", nil, []string{"cont", "quit"},
		"greeting; return; event RESUME; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"quit before it runs", "", "hang", nil, []string{"quit"},
		"greeting; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"terminated", "", "hang", nil, []string{"cont", "SIGTERM"},
		"greeting; return; event RESUME; event SHUTDOWN host host-signal; exit 0"},
	{"killed", "", "hang", nil, []string{"cont", "SIGKILL"},
		"greeting; return; event RESUME; killed"},
	{"stop and cont", "", "hang", nil, []string{"cont", "stop", "query-status", "cont", "query-status", "quit"},
		"greeting; return; event RESUME; return; event STOP; return paused; return; event RESUME; return running; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"commands that there are not", "", "hang", nil, []string{"no-such", "query-status", "quit"},
		"greeting; error CommandNotFound; return prelaunch; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"rubbish", "", "hang", nil, []string{"{]", "quit"},
		"greeting; error GenericError; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"a non-maskable interrupt", "", "hang", nil, []string{"cont", "inject-nmi", "quit"},
		"greeting; return; event RESUME; return; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"a clone before its state", "", "hang", []string{"-incoming", "defer"}, []string{"query-status", "query-migrate", "quit"},
		"greeting; return inmigrate; return; return; event SHUTDOWN host host-qmp-quit; exit 0"},
	{"refused", "refuse 1 qemu-system-x86_64: unsupported machine type", "hang", []string{"-machine", "no-such"}, nil,
		"complaint; exit 1"},
}

func TestFakeKeepsTheContract(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(kernel, []byte("MZ"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			vmtest.Install(t, c.script)
			if got := converse(t, append([]string{"-kernel", kernel}, c.args...), c.do); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRealKeepsTheContract(t *testing.T) {
	list := filepath.SplitList(os.Getenv(kernelsEnv))
	if len(list) == 0 {
		t.Skipf("set %s to one or more kernel images to hold a real QEMU to the contract", kernelsEnv)
	}
	initrd := buildInitrd(t)
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-kernel", list[0], "-initrd", initrd, "-append", "console=ttyS0 panic=-1 act=" + c.act}, c.args...)
			if got := converse(t, args, c.do); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// converse starts QEMU, whichever is first on PATH, sends it the commands one after the other, and returns all that it
// answered and how it ended.
func converse(t *testing.T, args, do []string) string {
	t.Helper()
	usual := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S", "-machine", "q35", "-m", "256M",
		"-chardev", "null,id=console", "-serial", "chardev:console", "-chardev", "null,id=report", "-serial", "chardev:report",
		"-chardev", "stdio,id=qmp", "-mon", "chardev=qmp,mode=control"}
	cmd := exec.CommandContext(t.Context(), "qemu-system-x86_64", append(usual, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	talk := &talk{in: bufio.NewScanner(stdout), out: stdin, process: cmd.Process}
	talk.listen() // the greeting
	talk.say("qmp_capabilities")
	talk.said = slices.DeleteFunc(talk.said, func(s string) bool { return s == "return" })
	for _, command := range do {
		talk.say(command)
	}
	for talk.listen() {
	}
	return strings.Join(append(talk.said, ended(cmd.Wait(), cmd.ProcessState, stderr.String())...), "; ")
}

func ended(_ error, state *os.ProcessState, stderr string) []string {
	status := state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return []string{status.Signal().String()}
	case state.ExitCode() != 0 && strings.HasPrefix(stderr, "qemu-system-x86_64: "):
		return []string{"complaint", fmt.Sprint("exit ", state.ExitCode())}
	case state.ExitCode() != 0:
		return []string{stderr, fmt.Sprint("exit ", state.ExitCode())}
	}
	return []string{"exit 0"}
}

// talk is a conversation with a monitor, in words that leave out what is not the same each time.
type talk struct {
	in      *bufio.Scanner
	out     io.Writer
	process *os.Process
	said    []string
}

// say gives a command and listens up to its answer, and up to the event that must come with it: QEMU is free to send
// either first. A signal has no answer.
func (k *talk) say(command string) {
	signals := map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL}
	if s, ok := signals[command]; ok {
		k.process.Signal(s)
		return
	}
	if !strings.HasPrefix(command, "{") {
		command = fmt.Sprintf(`{"execute": %q}`, command)
	}
	fmt.Fprintln(k.out, command)
	event := map[string]string{"cont": "event RESUME", "stop": "event STOP"}[strings.Trim(strings.TrimPrefix(command, `{"execute": `), `"}`)]
	var answer []string
	from := len(k.said)
	for len(answer) == 0 || event != "" && !slices.Contains(k.said[from:], event) {
		if !k.listen() {
			return
		}
		if last := k.said[len(k.said)-1]; strings.HasPrefix(last, "return") || strings.HasPrefix(last, "error") {
			answer = append(answer, last)
		}
	}
	slices.SortStableFunc(k.said[from:], func(a, b string) int { // the answer first
		return strings.Compare(fmt.Sprint(strings.HasPrefix(a, "event")), fmt.Sprint(strings.HasPrefix(b, "event")))
	})
}

// listen reads one line, and reports whether there was one.
func (k *talk) listen() bool {
	if !k.in.Scan() {
		return false
	}
	var line struct {
		QMP *struct {
			Version struct {
				QEMU struct{ Major, Minor, Micro *int }
			}
			Capabilities []any
		}
		Return    json.RawMessage
		Error     *struct{ Class, Desc string }
		Event     string
		Timestamp *struct{ Seconds, Microseconds *int64 }
		Data      struct {
			Guest  bool
			Reason string
		}
	}
	word := "rubbish " + k.in.Text()
	if err := json.Unmarshal(k.in.Bytes(), &line); err == nil {
		switch v := line.QMP; {
		case v != nil && v.Version.QEMU.Major != nil && v.Version.QEMU.Minor != nil && v.Version.QEMU.Micro != nil && v.Capabilities != nil:
			word = "greeting"
		case line.Error != nil && line.Error.Desc != "":
			word = "error " + line.Error.Class
		case line.Event != "" && line.Timestamp != nil && line.Timestamp.Seconds != nil && line.Timestamp.Microseconds != nil:
			word = strings.TrimSpace("event " + line.Event + " " + cause(line.Data.Guest, line.Data.Reason))
		case line.Return != nil:
			word = strings.TrimSpace("return " + status(line.Return))
		}
	}
	k.said = append(k.said, word)
	return true
}

func cause(guest bool, reason string) string {
	switch {
	case reason == "":
		return ""
	case guest:
		return "guest " + reason
	}
	return "host " + reason
}

// status is the one thing of an answer that is compared.
func status(answer json.RawMessage) string {
	var s struct{ Status string }
	if json.Unmarshal(answer, &s) != nil {
		return ""
	}
	return s.Status
}

// buildInitrd is an initramfs with the test binary of vm as PID 1.
func buildInitrd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "init")
	build := exec.Command("go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := cpio.Newc.Writer(&archive)
	records := []cpio.Record{cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1), cpio.StaticFile("init", string(code), 0o755)}
	if err := cpio.WriteRecordsAndDirs(w, records); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "init.cpio")
	if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
