package guest

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// loading is what PID 1 knows of the modules under test in one round. They are loaded one after the other, and in between
// by modprobe, which the kernel waits for while another of them is in its init.
type loading struct {
	mu     sync.Mutex
	open   bool                     // modprobe may load them
	halted bool                     // nothing is loaded any more
	busy   map[string]chan struct{} // those in finit_module; closed when it has returned
	loaded []string                 // in the order in which they came to be there
}

// comingTime is how long a load waits for one of the same module that is under way. The two may wait for each other.
const comingTime = 5 * time.Second

// begin waits until nobody else loads name, and claims it. It returns false where the module is there, or still coming.
func (l *loading) begin(name string) bool {
	for start := time.Now(); ; {
		l.mu.Lock()
		coming := l.busy[name]
		if l.halted {
			l.mu.Unlock()
			return false
		}
		if coming == nil && !slices.Contains(lines("/proc/modules", first), name) {
			l.busy[name] = make(chan struct{})
			l.mu.Unlock()
			return true
		}
		l.mu.Unlock()
		if coming == nil {
			return false
		}
		select {
		case <-coming:
		case <-time.After(comingTime - time.Since(start)):
			return false
		}
	}
}

func (l *loading) end(name string, loaded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.busy[name])
	delete(l.busy, name)
	if loaded && !slices.Contains(l.loaded, name) {
		l.loaded = append(l.loaded, name)
	}
}

// list is a copy of what is loaded, in its order.
func (l *loading) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.loaded)
}

func (l *loading) setOpen(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = open
}

func (l *loading) halt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.halted = false, true
}

func (l *loading) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.loaded = map[string]chan struct{}{}, nil
}

// refusal is a load that came to nothing.
type refusal struct {
	errno unix.Errno
	need  string // the module that was refused, which the other depends on; empty: it was refused itself
}

func (r refusal) Error() string { return r.errno.Error() }

// noHardware are the refusals of a driver whose device is not there: the other modules are loaded all the same.
func (r refusal) noHardware() bool { return r.errno == unix.ENODEV || r.errno == unix.ENXIO }

// load loads the modules under test, each after those that it needs. It stops at one that is refused, unless for want of hardware.
// False: none is loaded that could be tested, or one was refused that should not have been.
func (g *guest) load() bool {
	g.under.reset()
	g.under.setOpen(true)
	refused := map[string]refusal{}
	for _, m := range g.plan.Modules {
		err := g.insert(m, refused)
		var r refusal
		switch {
		case err == nil:
			continue
		case !errors.As(err, &r):
			g.fail("load %s: %v", m.Name, err)
			return false
		}
		refused[m.Name] = r
		g.send(wire.Frame{Kind: wire.KindLoad, Module: m.Name, Errno: int(r.errno), Text: r.need})
		if !r.noHardware() {
			g.under.setOpen(false)
			g.tryAlone(m, r.errno)
			return false
		}
	}
	return len(g.under.list()) > 0
}

// insert loads m with what it needs, unless it is loaded, and reports it. The error is a refusal, or trouble.
func (g *guest) insert(m wire.Module, refused map[string]refusal) error {
	for _, need := range m.Needs {
		r, known := refused[need]
		if known || errors.As(g.insertNamed(need, refused), &r) {
			return refusal{r.errno, need}
		}
	}
	args, err := wire.JoinParams(m.Params)
	if err != nil || !g.under.begin(m.Name) {
		return err
	}
	g.log(wire.LoadMarker(g.plan.Nonce, m.Name, false))
	err = finit(m.Path, args)
	g.log(wire.LoadMarker(g.plan.Nonce, m.Name, true))
	g.under.end(m.Name, err == nil)
	var errno unix.Errno
	switch {
	case err == nil:
		g.send(wire.Frame{Kind: wire.KindLoad, Module: m.Name})
	case errors.As(err, &errno):
		return refusal{errno: errno}
	}
	return err
}

func (g *guest) insertNamed(name string, refused map[string]refusal) error {
	for _, m := range g.everyModule() {
		if m.Name == name {
			return g.insert(m, refused)
		}
	}
	return nil // the kernel will say what is missing
}

// everyModule is all that was built, whether it is loaded by itself or only on request.
func (g *guest) everyModule() []wire.Module { return slices.Concat(g.plan.Modules, g.plan.Spare) }

// modprobe loads the modules under test that answer to name, as the kernel or a program asked for it. own reports whether any does.
func (g *guest) modprobe(name string) (own, loaded bool) {
	g.under.mu.Lock()
	open := g.under.open
	g.under.mu.Unlock()
	for _, m := range g.everyModule() {
		if !m.Answers(name) {
			continue
		}
		own = true
		// A refusal is that of the one who asks: the module has its turn, or is not asked for.
		loaded = open && g.insert(m, nil) == nil || loaded
	}
	return own, loaded
}

// tryAlone loads m without those before it that it does not need, where it was refused as one is that wants what another has.
func (g *guest) tryAlone(m wire.Module, errno unix.Errno) {
	others := slices.DeleteFunc(g.under.list(), func(name string) bool { return slices.Contains(m.Needs, name) })
	if !slices.Contains([]unix.Errno{unix.EBUSY, unix.EEXIST, unix.ENOEXEC}, errno) || len(others) == 0 || !g.removeAll() {
		return
	}
	g.under.reset()
	for _, need := range m.Needs {
		_ = g.insertNamed(need, nil)
	}
	args, _ := wire.JoinParams(m.Params) // it was good before
	if finit(m.Path, args) == nil {
		g.send(wire.Frame{Kind: wire.KindAlone, Module: m.Name})
		_ = remove(m.Name)
	}
}

// showLoaded lists in the plan that suites read the modules that are there, in the order in which they came.
func (g *guest) showLoaded() error {
	shown, names := g.plan, g.under.list()
	if slices.Equal(names, g.shown) {
		return nil
	}
	shown.Modules = nil
	for _, name := range names {
		if i := slices.IndexFunc(g.everyModule(), func(m wire.Module) bool { return m.Name == name }); i >= 0 {
			shown.Modules = append(shown.Modules, g.everyModule()[i])
		}
	}
	text, err := json.Marshal(shown)
	if err == nil {
		err = os.WriteFile(g.places.plan, text, 0o644)
	}
	g.shown = names
	return err
}
