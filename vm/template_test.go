package vm_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

// waiting is a script of a template that waits, and of a clone that goes on.
const waiting = `
[share=on] console Linux version 6.1
[share=on] report waiting
[-incoming] console after
[-incoming] report clone
[-incoming] poweroff
`

// fakeTemplate starts a template and waits until it waits. There is no template yet.
func fakeTemplate(t *testing.T, script string) (m *vm.Machine, p *vm.Process, dir string) {
	t.Helper()
	m, _, report := fake(t, waiting+script)
	m.Drive, m.MemoryMiB = drive(t, ""), 16
	dir = filepath.Join(t.TempDir(), "a,b")
	p, err := m.StartTemplate(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		p.Wait()
	})
	waitFor(t, report, "waiting\n")
	return m, p, dir
}

// empty fails unless nothing is in dir.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// A guest that would lose the interrupt of its own report goes on for a while before it is stopped.
func TestTemplateSettles(t *testing.T) {
	m, _, report := fake(t, waiting)
	m.Arch, m.Drive, m.MemoryMiB = "s390x", drive(t, ""), 16
	p, err := m.StartTemplate(t.Context(), filepath.Join(t.TempDir(), "template"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, report, "waiting\n")
	began := time.Now()
	if err := p.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was stopped within %s", took)
	}
}

func TestTemplate(t *testing.T) {
	m, p, dir := fakeTemplate(t, "")
	if err := p.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := p.Wait(); out.Reason != vm.HostQuit || err != nil {
		t.Errorf("ended %+v, %v", out, err)
	}
	before := content(t, dir)
	if got := before[vm.TemplateConsole]; got != "Linux version 6.1\n" {
		t.Errorf("console is %q", got)
	}
	for range 3 {
		if err := vm.VerifyTemplate(dir); err != nil {
			t.Error(err)
		}
		own, console, report := *m, &vm.BoundedLog{}, &vm.BoundedLog{}
		own.Console, own.Report, own.Drive = console, report, drive(t, "other")
		p, err := own.Restore(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Wait()
		if out.Reason != vm.GuestShutdown || err != nil || console.String() != "after\n" || report.String() != "clone\n" {
			t.Errorf("got %+v, %v, console %q, report %q", out, err, console, report)
		}
	}
	after := content(t, dir)
	if len(after) != 4 {
		t.Errorf("the folder holds %d files", len(after))
	}
	for name, text := range after {
		if before[name] != text {
			t.Errorf("%s has changed", name)
		}
	}
	if _, err := m.StartTemplate(t.Context(), dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second template in the same folder: %v", err)
	}
	if err := vm.VerifyTemplate(dir); err != nil {
		t.Error(err)
	}
}

// A clone that is restored ahead of its time does nothing until it is let run, and its drive may be written before.
func TestPaused(t *testing.T) {
	m, p, dir := fakeTemplate(t, "")
	if err := p.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, report := *m, &vm.BoundedLog{}
	own.Report, own.Paused = report, true
	p, err := own.Restore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Running bool }
	text, err := p.QMP().Exec(t.Context(), "query-status", nil)
	if json.Unmarshal(text, &answer) != nil || answer.Running || err != nil || report.Total() > 0 {
		t.Errorf("it runs: %s, %v, %q", text, err, report)
	}
	if err := p.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := p.Wait(); out.Reason != vm.GuestShutdown || out.Elapsed == 0 || err != nil || report.String() != "clone\n" {
		t.Errorf("got %+v, %v, %q", out, err, report)
	}
	if p, err = own.Restore(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if out, err := p.Wait(); out.Reason != vm.HostKilled || out.Elapsed != 0 || err != nil {
		t.Errorf("one that never ran: %+v, %v", out, err)
	}
}

// A guest that is not saved leaves nothing in the folder, however it ends.
func TestTemplateNotSaved(t *testing.T) {
	ends := map[string]func(*vm.Process){
		"killed": (*vm.Process).Kill,
		"quit":   func(p *vm.Process) { p.Quit(t.Context()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			_, p, dir := fakeTemplate(t, "")
			end(p)
			p.Wait()
			empty(t, dir)
			if err := p.Save(t.Context()); err == nil {
				t.Error("saved a dead guest")
			}
			empty(t, dir)
		})
	}
	t.Run("refused", func(t *testing.T) {
		m, _, _ := fake(t, "refuse 1 no memory")
		dir := t.TempDir()
		if _, err := m.StartTemplate(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no memory") {
			t.Errorf("got %v", err)
		}
		empty(t, dir)
	})
	t.Run("no template", func(t *testing.T) {
		m, _, _ := fake(t, "")
		if err := start(t, t.Context(), m).Save(t.Context()); err == nil {
			t.Error("saved a guest whose memory is nowhere")
		}
	})
}

func TestSaveTrouble(t *testing.T) {
	for script, want := range map[string]string{
		"migration fails no room": "migration failed: fails no room",
		"migration hangs":         "deadline",
		"mute stop":               "deadline",
		"mute migrate":            "deadline",
		"mute query-migrate":      "deadline",
		"mute getfd":              "deadline",
		"mute quit":               "ended by host-killed",
		"report x\ndie 3 aborted": "hung up",
	} {
		t.Run(strings.ReplaceAll(script, "\n", ", "), func(t *testing.T) {
			m, p, dir := fakeTemplate(t, script)
			if strings.Contains(script, "die") {
				<-p.Done()
			}
			ctx := t.Context()
			if muted := mutedBy(script); muted != "" {
				ctx = doneWhen(t, m.Report.(*vm.BoundedLog), muted)
			}
			if err := p.Save(ctx); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			select {
			case <-p.Done():
			default:
				t.Error("the guest lives")
			}
			empty(t, dir)
		})
	}
}

// mutedBy is what the fake reports when it does not do what the script forbids.
func mutedBy(script string) string {
	script = strings.ReplaceAll(script, "migration hangs", "mute migration")
	if _, what, ok := strings.Cut(script, "mute "); ok {
		return "muted " + what + "\n"
	}
	return ""
}

// Whatever is wrong with a template, the error says that it is the template, in bounded time.
func TestRestoreTrouble(t *testing.T) {
	cut := func(name string) func(string) error {
		return func(dir string) error { return os.Truncate(filepath.Join(dir, name), 10) }
	}
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	tests := map[string]struct {
		script string
		damage func(dir string) error
		change func(m *vm.Machine)
		want   string
	}{
		"fails":          {script: "[-incoming] migration fails Invalid argument", want: "load of migration failed: Invalid argument"},
		"hangs":          {script: "[-incoming] migration hangs", want: "in time"},
		"silence":        {script: "[-incoming] mute migrate-incoming", want: "in time"},
		"never runs":     {script: "[-incoming] mute cont", want: "in time"},
		"state cut":      {damage: cut("state"), want: "state has 10 bytes and should have 35"},
		"state flipped":  {damage: write("state", "State of a QEMU that boots nothing\n"), want: "state is damaged"},
		"memory cut":     {damage: cut("ram"), want: "ram has 10 bytes and should have 16777216"},
		"no memory":      {damage: func(dir string) error { return os.Remove(filepath.Join(dir, "ram")) }, want: "no such file"},
		"no manifest":    {damage: func(dir string) error { return os.Remove(filepath.Join(dir, "template.json")) }, want: "no such file"},
		"no JSON":        {damage: write("template.json", "{"), want: "unexpected end"},
		"other schema":   {damage: write("template.json", "{}"), want: "schema"},
		"other memory":   {change: func(m *vm.Machine) { m.MemoryMiB = 512 }, want: "16 MiB of memory, the machine 512"},
		"other words":    {change: func(m *vm.Machine) { m.Args = []string{"x"} }, want: "another machine"},
		"without drive":  {change: func(m *vm.Machine) { m.Drive = "" }, want: "another machine"},
		"all is as ever": {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, p, dir := fakeTemplate(t, test.script)
			if muted := mutedBy(test.script); muted != "" {
				vm.LateWhen(t, func() { waitFor(t, m.Report.(*vm.BoundedLog), muted) })
			}
			if err := p.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.damage != nil {
				if err := test.damage(dir); err != nil {
					t.Fatal(err)
				}
			}
			if test.change != nil {
				test.change(m)
			}
			p, err := m.Restore(t.Context(), dir)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				p.Wait()
				return
			}
			if !errors.Is(err, vm.ErrTemplate) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// What a template cannot help is not its fault.
func TestRestoreForeignTrouble(t *testing.T) {
	m, p, dir := fakeTemplate(t, "[-incoming] migration hangs")
	if err := p.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Restore(doneWhen(t, m.Report.(*vm.BoundedLog), "muted migration\n"), dir); err == nil || errors.Is(err, vm.ErrTemplate) {
		t.Errorf("given up by the caller: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := m.Restore(t.Context(), dir); !errors.Is(err, vm.ErrNoQEMU) || errors.Is(err, vm.ErrTemplate) {
		t.Errorf("without QEMU: %v", err)
	}
	if err := vm.VerifyTemplate(dir); err != nil {
		t.Error(err)
	}
}
