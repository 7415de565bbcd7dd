package initramfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// booted is what came of one guest.
type booted struct {
	frames  []wire.Frame
	end     error
	console string
	garbage int64
	hello   time.Duration // on the host's clock
	whole   time.Duration
}

func (b booted) of(kind wire.Kind) (list []wire.Frame) {
	for _, f := range b.frames {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

// boot runs a guest to its end. Each of typed is typed when the shell asks for it.
func boot(t *testing.T, payload Payload, typed ...string) booted {
	t.Helper()
	dir := t.TempDir()
	image, console := filepath.Join(dir, "image"), filepath.Join(dir, "console")
	if err := WriteImage(image, base(t), payload); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config",
		"-display", "none", "-nic", "none", "-no-reboot", "-serial", "file:"+console, "-serial", "stdio", "-chardev",
		"pipe,id=term,path="+filepath.Join(dir, "term"), "-serial", "chardev:term", "-kernel", os.Getenv(envKernel), "-initrd", image,
		"-append", "console=ttyS0 panic=-1 oops=panic ignore_loglevel printk.devkmsg=on")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	for _, name := range []string{"term.in", "term.out"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, _ := os.OpenFile(filepath.Join(dir, "term.in"), os.O_RDWR, 0)
	out, _ := os.OpenFile(filepath.Join(dir, "term.out"), os.O_RDWR, 0)
	defer in.Close()
	defer out.Close()
	go person(in, out, typed)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var b booted
	r := wire.NewReader(pipe)
	for {
		f, err := r.Next()
		if err != nil {
			b.end = err
			break
		}
		if f.Kind == wire.KindHello {
			b.hello = time.Since(start)
		}
		b.frames = append(b.frames, f)
		t.Logf("%6d %s", f.At, show(f))
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	b.whole, b.garbage = time.Since(start), r.Garbage
	text, _ := os.ReadFile(console)
	b.console = string(text)
	if t.Failed() {
		t.Log(b.console)
	}
	return b
}

// person types one line for each prompt; Ctrl-C again and again, until the command that runs is gone.
func person(in io.Writer, out io.Reader, lines []string) {
	heard := make(chan string)
	go func() {
		defer close(heard)
		for buf := make([]byte, 256); ; {
			n, err := out.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	said, again := "", time.NewTicker(time.Second)
	defer again.Stop()
	for i := 0; ; {
		interrupts := i < len(lines) && lines[i] == "\x03"
		select {
		case text, ok := <-heard:
			if !ok {
				return
			}
			said += text
		case <-again.C:
			if interrupts {
				_, _ = io.WriteString(in, "\x03")
			}
		}
		switch asked := strings.Contains(said, "6.1 # "); {
		case asked && interrupts:
			i++
		case asked && i < len(lines):
			said = ""
			_, _ = io.WriteString(in, lines[i]+"\r")
			i++
		}
	}
}

func show(f wire.Frame) string {
	spec := ""
	if f.Spec != nil {
		spec = fmt.Sprintf("%+v", *f.Spec)
	}
	return fmt.Sprintf("%s %s %v %s errno %d taint %d exit %d %s %q %s %v", f.Kind, f.Stage, f.Done, f.Module, f.Errno, f.Taint, f.ExitCode,
		f.Signal, f.Text, spec, f.Specs)
}

var basePath string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, path := range []string{basePath, suitePath} {
		if path != "" {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// base builds the base image, once.
func base(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(envBase); path != "" {
		return path
	}
	if basePath == "" {
		dir, err := os.MkdirTemp("", "modmatrix-base-") // it outlives the first test that needs it
		if err != nil {
			t.Fatal(err)
		}
		basePath = filepath.Join(dir, "base.cpio")
		source, err := FindSource()
		if err != nil {
			t.Fatal(err)
		}
		if err := BuildBase(t.Context(), Options{Source: source, Out: basePath, Temp: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	}
	return basePath
}

var suitePath string

// compiled is the suite in testdata, which is compiled once: it costs half a minute, and is the same for each guest.
func compiled(t *testing.T) string {
	t.Helper()
	if suitePath == "" {
		dir, err := os.MkdirTemp("", "modmatrix-suite-")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "suite.test")
		if err := (Suites{Cache: t.TempDir()}).Compile(t.Context(), "testdata/suite", path); err != nil {
			os.RemoveAll(dir)
			t.Fatal(err)
		}
		suitePath = path
	}
	return suitePath
}

func needKernel(t *testing.T) (moduleName string) {
	t.Helper()
	if os.Getenv(envKernel) == "" || os.Getenv(envModule) == "" {
		t.Skipf("boots a kernel: set %s and %s", envKernel, envModule)
	}
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(os.Getenv(envModule)), ".ko"), "-", "_")
}

// cell is a payload with the module and the test suite.
func cell(t *testing.T, name string, args ...string) Payload {
	t.Helper()
	suite := compiled(t)
	ko := wire.ModuleDir + "/" + name + ".ko"
	return Payload{
		Plan: wire.Plan{Nonce: "n0nce", Time: time.Now().UnixNano(), Target: wire.Target{Version: "6.1.176", Arch: "x86_64", Flavour: "cloud-amd64"},
			Modules: []wire.Module{{Name: name, Path: ko}},
			Suites:  []wire.Suite{{Name: "boot", Path: wire.SuitePath, TimeoutMS: 60_000, Args: args}}},
		Files: []File{{Guest: ko, Host: os.Getenv(envModule)}, {Guest: wire.SuitePath, Host: suite, Mode: 0o755}},
	}
}
