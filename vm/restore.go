package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// restoreTimeout bounds what a clone needs before it runs: 0.1 s on an idle host.
const restoreTimeout = 15 * time.Second

var errRestoreTimeout = errors.New("QEMU did not restore the guest in time")

// restoreDeadline is a variable for the tests alone.
var restoreDeadline = func(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, restoreTimeout, errRestoreTimeout)
}

// Restore starts a clone of the template in dir: a guest that continues where the template was saved. The machine must be
// the template's in all that TemplateKey covers; the content of its Drive and its writers may differ. Each clone has a
// private copy of what it writes to its memory: many clones may run at once, and none changes the template.
// The error wraps ErrTemplate when the template is damaged, of another machine, or does not run. Elapsed counts from
// where the clone continues.
func (m *Machine) Restore(ctx context.Context, dir string) (*Process, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	var state []byte
	about, err := readManifest(dir)
	if err == nil {
		state, err = about.readState(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if about.RAM.Size != m.memoryBytes() {
		return nil, fmt.Errorf("restore: %w: it has %d MiB of memory, the machine %d", ErrTemplate, about.RAM.Size>>20, m.memoryBytes()>>20)
	}
	tried := false // from when on a failure is the template's
	p, err := m.start(ctx, &ramFile{path: filepath.Join(dir, templateRAM)}, func(p *Process, ctx context.Context) error {
		if err := m.fits(about, p.monitor.Version); err != nil {
			return err
		}
		tried = true
		return p.restore(ctx, m, state)
	})
	if err != nil && tried && ctx.Err() == nil {
		err = fmt.Errorf("restore: %w: %w", ErrTemplate, err)
	}
	return p, err
}

// fits returns an error unless the template was made from m by this version of QEMU.
func (m *Machine) fits(about manifest, version string) error {
	key, err := m.TemplateKey(version)
	if err == nil && key != about.Key {
		err = fmt.Errorf("%w: it is of another machine, or of QEMU %s where this is %s", ErrTemplate, about.QEMU, version)
	}
	return err
}

func (p *Process) restore(ctx context.Context, m *Machine, state []byte) error {
	ctx, cancel := restoreDeadline(ctx)
	defer cancel()
	err := p.migrate(ctx, "migrate-incoming", func(conn net.Conn) error {
		defer conn.Close() // QEMU sees the end of a state that is too short
		_, err := conn.Write(state)
		return err
	})
	if err != nil {
		return err
	}
	return m.letRun(p, ctx)
}
