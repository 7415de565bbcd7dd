package vm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

// sockets are the devices of a guest that are plugged in.
type sockets struct {
	turn sync.Mutex // one device comes or goes at a time
	mu   sync.Mutex
	in   map[string]chan struct{} // by QEMU's id; closed when the guest has let go of it
}

// take notes that a device is in, unless it is already.
func (s *sockets) take(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in[id] != nil {
		return false
	}
	if s.in == nil {
		s.in = map[string]chan struct{}{}
	}
	s.in[id] = make(chan struct{})
	return true
}

// gone gives the channel that is closed when the device is out, nil where it is not in.
func (s *sockets) gone(id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in[id]
}

// leave notes that a device is out.
func (s *sockets) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone := s.in[id]; gone != nil {
		close(gone)
		delete(s.in, id)
	}
}

// observe takes in the event of a device that is out: the guest has let go of it (QEMU docs/system/device-emulation.rst,
// qapi/qdev.json). What was plugged into it is told of by a path alone.
func (s *sockets) observe(e qmp.Event) {
	if id, ok := e.Data["device"].(string); ok && e.Event == "DEVICE_DELETED" {
		s.leave(id)
	}
}

// Plug plugs in the device that the machine declares under name. When it returns, the device is there, and the guest is
// about to find it. An error says in one line why it is not.
func (p *Process) Plug(ctx context.Context, name string) error {
	d, err := p.machine.plug(name)
	if err != nil {
		return err
	}
	p.sockets.turn.Lock()
	defer p.sockets.turn.Unlock()
	id := plugPrefix + name
	if !p.sockets.take(id) {
		return fmt.Errorf("%s is plugged in already", name)
	}
	text, err := p.monitor.Human(ctx, "device_add "+d.row())
	if err == nil {
		err = plugWords(text)
	}
	if err != nil {
		p.sockets.leave(id)
		return fmt.Errorf("plug in %s: %w", name, err)
	}
	return nil
}

// Unplug pulls the device and waits until the guest has let go of it, for as long as patience: a USB device is gone at
// once, a PCI device when its driver has returned from remove().
func (p *Process) Unplug(ctx context.Context, name string, patience time.Duration) error {
	if _, err := p.machine.plug(name); err != nil {
		return err
	}
	p.sockets.turn.Lock()
	defer p.sockets.turn.Unlock()
	id := plugPrefix + name
	gone := p.sockets.gone(id)
	if gone == nil {
		return fmt.Errorf("%s is not plugged in", name)
	}
	text, err := p.monitor.Human(ctx, "device_del "+id)
	if err == nil {
		err = plugWords(text)
	}
	if err != nil {
		return fmt.Errorf("pull %s: %w", name, err)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-gone:
		return nil
	case <-late.C:
		return fmt.Errorf("pull %s: the guest has not let go of it after %v", name, patience)
	case <-p.exited:
		return fmt.Errorf("pull %s: %w", name, errHungUp)
	case <-ctx.Done():
		return fmt.Errorf("pull %s: %w", name, context.Cause(ctx))
	}
}

// tellTimeout bounds Tell: a guest that does not read what it asked for is not waited for.
const tellTimeout = 5 * time.Second

// Tell sends the guest bytes on its report port. One that does not read gets what fits, and an error says so.
func (p *Process) Tell(b []byte) error {
	err := p.report.SetWriteDeadline(time.Now().Add(tellTimeout))
	if err == nil {
		_, err = p.report.Write(b)
	}
	if err != nil {
		return errors.Join(errors.New("tell the guest: it does not listen"), err)
	}
	return nil
}
