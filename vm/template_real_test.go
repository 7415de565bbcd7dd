package vm_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// talker is a clone on whose terminal we speak.
type talker struct {
	*vm.Process
	conn    net.Conn
	in      *bufio.Reader
	console *vm.BoundedLog
}

// clone restores m from dir, with a terminal.
func clone(ctx context.Context, m *vm.Machine, dir string) (*talker, error) {
	own, console := *m, &vm.BoundedLog{}
	ours, theirs := net.Pipe()
	own.Terminal, own.Console = theirs, console
	p, err := own.Restore(ctx, dir)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { ours.Close() })
	return &talker{p, ours, bufio.NewReader(ours), console}, nil
}

// ask says one line and returns the answer.
func (c *talker) ask(line string) (string, error) {
	go io.WriteString(c.conn, line+"\n")
	answer, err := c.in.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// realTemplate boots and saves a template of kernel in a folder of its own.
func realTemplate(t *testing.T, ctx context.Context, kernel string, change func(*vm.Machine)) (*vm.Machine, string) {
	t.Helper()
	m, console, report := realMachine(t, kernel, "template")
	m.Initrd, m.Drive = diskInitrd(t, kernel, diskModules(t, kernel)), drive(t, "")
	if change != nil {
		change(m)
	}
	dir := filepath.Join(t.TempDir(), "template, with comma")
	p, err := m.StartTemplate(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for !strings.Contains(report.String(), "waiting\n") {
		select {
		case <-p.Done():
			t.Fatalf("the guest died\n%s", console)
		case <-ctx.Done():
			t.Fatalf("the guest never came up\n%s", console)
		case <-time.After(5 * time.Millisecond):
		}
	}
	boot := time.Since(begin)
	begin = time.Now()
	if err := p.Save(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("boot %v, save %v, %s", boot, time.Since(begin), sizes(dir))
	if got := report.String(); got != "ready\nwaiting\n" {
		t.Errorf("report is %q", got)
	}
	said, err := os.ReadFile(filepath.Join(dir, vm.TemplateConsole))
	if err != nil || string(said) != console.String() || !bytes.Contains(said, []byte("Linux version")) {
		t.Errorf("the console that was kept has %d bytes, %v; want %d", len(said), err, console.Total())
	}
	return m, dir
}

func sizes(dir string) string {
	out, _ := exec.Command("du", "-k", dir+"/ram", dir+"/state").Output()
	return strings.Join(strings.Fields(string(out)), " ")
}

// content reads every file of a folder.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

// Clones of one template go on where it stood, each with its own drive and memory, all at once; one that is killed, and
// whatever they write, leaves the template as it was.
func TestRealClones(t *testing.T) {
	changes := map[string]func(*vm.Machine){
		"small": nil,
		"large": func(m *vm.Machine) { m.MemoryMiB, m.CPUs = 512, 2 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
				m, dir := realTemplate(t, ctx, kernel, change)
				before := content(t, dir)
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() {
						if err := useClone(t, ctx, m, dir, i); err != nil {
							t.Errorf("clone %d: %v", i, err)
						}
					})
				}
				wg.Wait()
				if err := vm.VerifyTemplate(dir); err != nil {
					t.Error(err)
				}
				for name, text := range content(t, dir) {
					if before[name] != text {
						t.Errorf("%s has changed, or is new", name)
					}
				}
			})
		})
	}
}

// useClone asks one clone for everything that is to be its own; the first one is killed in the middle.
func useClone(t *testing.T, ctx context.Context, m *vm.Machine, dir string, i int) error {
	own := *m
	own.Drive = drive(t, fmt.Sprintf("payload %d", i))
	begin := time.Now()
	c, err := clone(ctx, &own, dir)
	if err != nil {
		return err
	}
	defer c.Kill()
	running := time.Since(begin)
	for line, want := range map[string]string{
		"hello": "you said hello", "write 50": "wrote 50", "disk 1048576": fmt.Sprintf("disk %q", fmt.Sprintf("payload %d", i)),
	} {
		if got, err := c.ask(line); got != want || err != nil {
			return fmt.Errorf("asked %q, got %q, %v, want %q\n%s", line, got, err, want, c.console)
		}
	}
	want := vm.GuestShutdown
	if i == 0 {
		want = vm.HostKilled
		c.Kill()
	} else {
		go io.WriteString(c.conn, "bye\n")
	}
	out, err := c.Wait()
	t.Logf("clone %d: running after %v, %v in all", i, running, time.Since(begin))
	if out.Reason != want || err != nil {
		return fmt.Errorf("got %+v, %w, want %s", out, err, want)
	}
	if text := c.console.String(); strings.Contains(text, "Linux version") {
		return fmt.Errorf("it booted:\n%s", text)
	}
	return nil
}

// A template that was damaged is known, or at least does not live; whatever happens, the error says whose fault it is.
func TestRealDamage(t *testing.T) {
	kernel := realKernels(t)[0]
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, dir := realTemplate(t, ctx, kernel, nil)
	whole := content(t, dir)
	damages := map[string]func() error{
		"state cut":     func() error { return os.Truncate(dir+"/state", 1000) },
		"state flipped": func() error { return os.WriteFile(dir+"/state", flip(whole["state"], 5000), 0o600) },
		"ram cut":       func() error { return os.Truncate(dir+"/ram", 100<<20) },
		"no manifest":   func() error { return os.Remove(dir + "/template.json") },
	}
	for name, damage := range damages {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := vm.VerifyTemplate(dir); !errors.Is(err, vm.ErrTemplate) {
			t.Errorf("%s: verified: %v", name, err)
		}
		if _, err := m.Restore(ctx, dir); !errors.Is(err, vm.ErrTemplate) {
			t.Errorf("%s: restored: %v", name, err)
		}
		for name, text := range whole {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := vm.VerifyTemplate(dir); err != nil { // the holes are gone, and the content is the same
			t.Errorf("%s, and mended: %v", name, err)
		}
	}
	if err := useClone(t, ctx, m, dir, 1); err != nil {
		t.Error(err)
	}
	other := *m
	other.Args = slices.Concat(m.Args, []string{"x"})
	if _, err := other.Restore(ctx, dir); !errors.Is(err, vm.ErrTemplate) || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("another machine: %v", err)
	}
}

func flip(text string, at int) []byte {
	b := []byte(text)
	b[at] ^= 1
	return b
}
