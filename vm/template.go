package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// TemplateConsole is the file with what a template printed before it was saved: the beginning of every clone's log.
const TemplateConsole = "console.log"

// The other files of a template. It is complete when it has a manifest, which is written last.
const (
	templateRAM      = "ram"
	templateState    = "state"
	templateManifest = "template.json"
)

const (
	// saveTimeout bounds saving, which takes 40 ms.
	saveTimeout = 30 * time.Second
	// maxState bounds the state of the devices, which is less than half a megabyte. A larger one holds the memory too.
	maxState = 32 << 20
)

type template struct {
	machine *Machine
	dir     string
	console *BoundedLog

	mu   sync.Mutex
	kept bool // by Save: the files stay when the guest ends
}

// StartTemplate is Start for a guest that Save can make a template: its memory is a file in dir, which is created if needed
// and must hold no template yet. If the guest ends without Save, the file is removed.
func (m *Machine) StartTemplate(ctx context.Context, dir string) (*Process, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	own := *m
	t := &template{machine: &own, dir: dir, console: &BoundedLog{}}
	own.Console = t.console
	if m.Console != nil {
		own.Console = io.MultiWriter(t.console, m.Console)
	}
	if err := t.makeRAM(); err != nil {
		return nil, fmt.Errorf("start template: %w", err)
	}
	p, err := own.start(ctx, &ramFile{path: t.path(templateRAM), shared: true}, func(p *Process, ctx context.Context) error {
		p.template = t
		return own.letRun(p, ctx)
	})
	if err != nil {
		t.discard()
	}
	return p, err
}

func (t *template) path(name string) string { return filepath.Join(t.dir, name) }

// makeRAM creates the memory's file as one large hole: what the guest never touches takes no room.
func (t *template) makeRAM() error {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(t.path(templateRAM), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(t.machine.memoryBytes()); err != nil {
		t.discard()
		return err
	}
	return nil
}

func (m *Machine) memoryBytes() int64 { return int64(cmp.Or(m.MemoryMiB, DefaultMemoryMiB)) << 20 }

// discard removes every file of the template, the manifest first.
func (t *template) discard() {
	for _, name := range []string{templateManifest, templateState, templateRAM, TemplateConsole} {
		os.Remove(t.path(name))
	}
}

func (t *template) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.kept {
		t.discard()
	}
}

// Save ends a guest that StartTemplate started and leaves a template in its folder, from which Restore starts clones that
// continue where it stopped. The files are not synced to the disk, which would take longer than all the rest; after a crash
// of this host VerifyTemplate finds what is missing. They may be removed, but never written to: clones read them as long as
// they run. After an error the guest is dead and no file is left; it wraps ErrUnsaved if trying again is useless.
func (p *Process) Save(ctx context.Context) error {
	if p.template == nil {
		return errors.New("save guest: it was not started as a template")
	}
	err := p.save(ctx)
	if err != nil {
		p.Kill()
		<-p.done
		p.template.discard()
		return fmt.Errorf("save template: %w", err)
	}
	return nil
}

func (p *Process) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, saveTimeout, errors.New("QEMU did not save the guest in time"))
	defer cancel()
	state, err := p.freeze(ctx)
	if err != nil {
		return err
	}
	t := p.template
	if err := t.checkState(ctx, p.monitor); err != nil {
		return err
	}
	t.mu.Lock()
	t.kept = true
	t.mu.Unlock()
	p.Quit(ctx)
	if out, err := p.Wait(); err != nil || out.Reason != HostQuit {
		return errors.Join(fmt.Errorf("the guest ended by %s: %s", out.Reason, out.Stderr), err)
	}
	if err := os.WriteFile(t.path(TemplateConsole), t.console.Bytes(), 0o600); err != nil {
		return err
	}
	return t.seal(p.monitor.Version, state)
}

// settleTime is how long a guest goes on before it is stopped whose pending interrupts would be lost. That of the line on which it reported
// to be ready is one, and where the host is busy, it comes to the guest late: once it was lost, the line and the drive of each clone
// never interrupt again, as their adapter waits for the first to be seen to (QEMU hw/s390x/virtio-ccw.c, virtio_ccw_notify).
const settleTime = time.Second

func (m *Machine) settleTime() time.Duration {
	if m.qemu().LosesInterrupts {
		return settleTime
	}
	return 0
}

// freeze stops the guest and writes the state of its devices to their file.
func (p *Process) freeze(ctx context.Context) (part, error) {
	select {
	case <-ctx.Done():
		return part{}, context.Cause(ctx)
	case <-time.After(p.machine.settleTime()):
	}
	if _, err := p.monitor.Exec(ctx, "stop", nil); err != nil {
		return part{}, err
	}
	state, err := os.OpenFile(p.template.path(templateState), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return part{}, err
	}
	defer state.Close()
	sum := &summer{}
	err = p.migrate(ctx, "migrate", func(conn net.Conn) error {
		n, err := io.Copy(io.MultiWriter(state, sum), io.LimitReader(conn, maxState))
		if err == nil && n == maxState {
			err = errors.New("QEMU saves the memory along with the devices")
		}
		return err
	})
	return sum.part, unsaved(err)
}

// migrate runs one of QEMU's migration commands to its end, for a guest whose memory is in a file and not part of the state.
// carry reads or writes the state, and may close the connection; so does the end of ctx.
func (p *Process) migrate(ctx context.Context, command string, carry func(net.Conn) error) error {
	shared := map[string]any{"capabilities": []any{map[string]any{"capability": "x-ignore-shared", "state": true}}}
	if _, err := p.monitor.Exec(ctx, "migrate-set-capabilities", shared); err != nil {
		return err
	}
	state, err := newChannel("state")
	if err != nil {
		return err
	}
	defer state.ours.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { state.ours.Close() })()
	err = p.monitor.pass(ctx, "state", state.theirs)
	state.theirs.Close() // QEMU has its own
	if err == nil {
		_, err = p.monitor.Exec(ctx, command, map[string]string{"uri": "fd:state"})
	}
	if err != nil {
		return err
	}
	carried := make(chan error, 1)
	go func() {
		err := carry(state.ours)
		if err != nil {
			cancel(err) // QEMU may wait for us for ever
		}
		carried <- err
	}()
	if err := p.migrated(ctx); err != nil {
		state.ours.Close()
		<-carried
		return err
	}
	return <-carried
}

// pollEvery is how often QEMU is asked whether a migration has ended: an answer takes less than a tenth of a millisecond.
const pollEvery = time.Millisecond

func (p *Process) migrated(ctx context.Context) error {
	for {
		var answer struct {
			Status string `json:"status"`
			Error  string `json:"error-desc"`
		}
		if err := p.monitor.query(ctx, "query-migrate", &answer); err != nil {
			return err
		}
		switch answer.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("migration %s: %s", answer.Status, answer.Error)
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
