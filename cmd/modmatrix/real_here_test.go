package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// installedName is this program in the Debian system of TestRealHere: modmatrix as its users have it, but for its suites, which are
// compiled here, since there is no Go in there.
const installedName = "modmatrix-installed"

// suitesThere is where that system has them: DIR/NAME.test for each folder DIR/NAME.
const suitesThere = "/suites"

func asInstalled() {
	if len(os.Args) == 3 && os.Args[1] == wire.HelperWord {
		os.Exit(helper(os.Args[2]))
	}
	ready := harness.Fakes{
		Compile: func(_ context.Context, dir, out string) error {
			data, err := os.ReadFile(dir + ".test")
			return errors.Join(err, os.WriteFile(out, data, 0o755))
		},
		Digest: func(_ context.Context, dir string) (string, error) { return "sha256:" + store.Digest(dir), nil },
	}
	os.Exit(run(Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}, fakes: ready}))
}

// TestRealHere loads modules into the running kernel of a Debian system, with -k here, in a QEMU whose disk and ERST stay from one boot
// to the next: a good module, one that oopses, one that hangs, one that panics, and one that stops the machine dead, which is then reset.
func TestRealHere(t *testing.T) {
	if os.Getenv("MODMATRIX_TEST_HERE") == "" {
		t.Skip("set MODMATRIX_TEST_HERE to install a Debian system, and to boot it six times: make real-here")
	}
	d := installDebian(t)
	d.step(t, "alive", "")
	d.want(t, "good", "0 6.1 quiet PASS", "0 6.1 lifecycle PASS")
	if !strings.Contains(d.said, "== killed, and left 0 loaded") {
		t.Error("modmatrix was killed, and its helper did not unload the module")
	}
	d.want(t, "busy", "3 6.1 quiet ERROR@boot infra: here: good is loaded on this machine already, and is left alone")
	d.want(t, "oops", "1 6.1 quiet FAIL@load oops: ")
	d.want(t, "after", "3 6.1 quiet ERROR@boot infra: here: this kernel has gone wrong before")
	d.step(t, "hang", "")
	d.want(t, "hang", "1 6.1 quiet FAIL@load hang: ")
	d.step(t, "panic", "Kernel panic")
	d.step(t, "resume-panic", "")
	d.want(t, "panic", "1 6.1 quiet FAIL@load panic: ")
	d.step(t, "stop", "quiet\" load begin")
	d.step(t, "resume-stop", "")
	d.want(t, "stop", "1 6.1 quiet FAIL@load reset: this machine went down during load")
}

// debian is an installed system.
type debian struct {
	dir  string // with its disk, kernel and initrd
	said string // by the last step
}

func installDebian(t *testing.T) *debian {
	t.Helper()
	d := &debian{dir: os.Getenv("MODMATRIX_TEST_HERE_DIR")}
	if d.dir == "" {
		d.dir = t.TempDir()
	}
	root := filepath.Join(d.dir, "root")
	if _, err := os.Stat(root); err != nil {
		shell(t, "mmdebstrap", "--quiet", "--variant=apt", "--include=linux-image-cloud-amd64,linux-headers-cloud-amd64,gcc,libc6-dev,make,kmod,mount,bubblewrap", "bookworm", root)
	}
	t.Setenv("CGO_ENABLED", "0")
	here, _ := filepath.Abs(repository)
	put := func(what, to string) {
		shell(t, "mkdir", "-p", filepath.Dir(root+to))
		shell(t, "cp", "-rT", filepath.Join(here, what), root+to)
	}
	for _, suite := range []string{"lifecycle", "zoo/quiet"} {
		name := filepath.Base(suite)
		shell(t, "go", "test", "-c", "-ldflags=-s -w", "-o", root+suitesThere+"/"+name+".test", here+"/suites/"+suite)
		put("suites/"+suite, suitesThere+"/"+name)
	}
	shell(t, "go", "test", "-c", "-o", root+"/usr/bin/"+installedName, here+"/cmd/modmatrix")
	for _, module := range []string{"good", "null_init", "sleep_init", "panic_init", "loop_irqs_off"} {
		put("suites/zoo/"+module, "/zoo/"+module)
	}
	put("cmd/modmatrix/testdata/here/init", "/here-init")
	shell(t, "chmod", "755", root+"/here-init")
	for _, name := range []string{"vmlinuz", "initrd.img"} {
		found, _ := filepath.Glob(root + "/boot/" + name + "-*")
		if len(found) != 1 {
			t.Fatalf("%s: %q", name, found)
		}
		shell(t, "cp", found[0], filepath.Join(d.dir, name))
	}
	shell(t, "mke2fs", "-q", "-F", "-t", "ext4", "-d", root, filepath.Join(d.dir, "disk"), "3G")
	return d
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

const (
	stepTime = 40 * time.Minute // a system boots, compiles and judges under emulation, on a busy machine
	deadTime = 30 * time.Second // what a machine has to get on in, before it is taken for dead
)

// step boots the system for a step. Where it ends is when it switches itself off, or reboots; or, once its console says dies, when it has
// been dead for a while.
func (d *debian) step(t *testing.T, name, dies string) {
	t.Helper()
	began := time.Now()
	console, said := filepath.Join(d.dir, name+".console"), filepath.Join(d.dir, name+".said")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-nic", "none", "-kernel", filepath.Join(d.dir, "vmlinuz"), "-initrd", filepath.Join(d.dir, "initrd.img"),
		"-drive", "if=virtio,format=raw,file="+filepath.Join(d.dir, "disk"),
		"-object", "memory-backend-file,id=erst,size=64K,share=on,mem-path="+filepath.Join(d.dir, "erst"), "-device", "acpi-erst,memdev=erst",
		"-serial", "file:"+console, "-serial", "file:"+said,
		"-append", "root=/dev/vda rw console=ttyS0 init=/here-init panic=-1 watchdog_thresh=55 step="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var errors strings.Builder
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	d.await(t, cmd, ended, console, dies)
	text, _ := os.ReadFile(said)
	d.said = strings.ReplaceAll(string(text), "\r\n", "\n") // the port is a terminal
	t.Logf("%s: %v\n%s%s", name, time.Since(began).Round(time.Second), errors.String(), d.said)
	if dies == "" && !strings.Contains(d.said, "== done "+name) {
		t.Fatalf("%s: it never came to its end: %s", name, console)
	}
	if dies == "" && strings.Contains(d.said, ".jsonl\n") && !strings.Contains(d.said, "No such file") {
		t.Errorf("%s: it is still written down that something is being done", name)
	}
}

func (d *debian) await(t *testing.T, cmd *exec.Cmd, ended chan struct{}, console, dies string) {
	t.Helper()
	late := time.After(stepTime)
	var dead <-chan time.Time
	for {
		select {
		case <-ended:
			return
		case <-dead:
			dies = ""
			cmd.Process.Kill()
		case <-late:
			cmd.Process.Kill()
			<-ended
			t.Fatalf("no end after %v: %s", stepTime, console)
		case <-time.After(time.Second):
		}
		if text, _ := os.ReadFile(console); dies != "" && dead == nil && strings.Contains(string(text), dies) {
			dead = time.After(deadTime)
		}
	}
}

// want holds the records of a run of the last step against "EXIT KERNEL SUITE VERDICT: REASON", each of which may go on.
func (d *debian) want(t *testing.T, out string, want ...string) {
	t.Helper()
	_, rest, found := strings.Cut(d.said, "== "+out+" exit ")
	exit, rest, _ := strings.Cut(rest, "\n")
	_, text, shown := strings.Cut(rest, "-- "+out+"\n")
	var res results.Results
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&res); !found || !shown || err != nil {
		t.Errorf("%s: no results: %v", out, err)
		return
	}
	if h := res.Run.Host; h.QEMU != "" || h.Accelerator != "" || !strings.HasPrefix(h.Distribution, "Debian GNU/Linux 12") {
		t.Errorf("%s: host %+v", out, h)
	}
	if len(res.Records) != len(want) {
		t.Errorf("%s: %d records, want %d", out, len(res.Records), len(want))
		return
	}
	for i, rec := range res.Records {
		got := fmt.Sprintf("%s %s %s %s", strings.TrimSpace(exit), rec.Target.Version[:3], rec.Suite, rec.Status)
		if rec.Status != results.Pass {
			got += fmt.Sprintf("@%s %s: %s", rec.Stage, rec.Code, rec.Reason)
		}
		if !strings.HasPrefix(got, want[i]) || rec.Target.Source != "here" {
			t.Errorf("%s: got  %s (notes %q)\nwant %s", out, got, rec.Notes, want[i])
		}
	}
}
