package guest

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// rounds does what must go well before the module can be judged, and then runs a round for each suite.
func (g *guest) rounds() {
	if !g.depend() {
		return
	}
	if g.plan.Interactive || len(g.plan.Suites) == 0 {
		if !g.plan.List {
			g.round(nil)
		}
		return
	}
	var ready []*wire.Suite
	for i := range g.plan.Suites {
		if s := &g.plan.Suites[i]; g.tellSpecs(s) {
			ready = append(ready, s)
		}
	}
	if g.plan.List {
		return
	}
	for i, s := range ready {
		if i > 0 && !g.sweep() {
			return
		}
		g.asked.renew()
		g.suite.Store(&s.Name)
		g.round(s)
		g.suite.Store(nil)
	}
}

// depend loads the kernel's own modules, and says whether all of them are in.
func (g *guest) depend() bool {
	if g.plan.List {
		return true
	}
	for _, path := range g.plan.Given {
		_ = loadDependency(path) // of several that answer to a name, some want hardware; the kernel says what is amiss
	}
	for _, path := range g.plan.Dependencies {
		if err := loadDependency(path); err != nil {
			g.fail("%v", err)
			return false
		}
	}
	mountLate()
	return true
}

// tellSpecs tells which specs a suite has for this target, before there is a module that could keep it from answering,
// and says whether that is known. The suite is asked only for what the plan does not know.
func (g *guest) tellSpecs(s *wire.Suite) bool {
	specs := s.Known
	if len(specs) == 0 || len(s.Only) > 0 && s.Title == "" {
		r, err := g.listSpecs(*s)
		if err != nil {
			g.send(wire.Frame{Kind: wire.KindTrouble, Suite: s.Name, Text: fmt.Sprintf("list the specs of suite %s: %v", s.Name, err)})
			return false
		}
		specs, s.Title = planOf(r), r.SuiteDescription
	}
	for _, f := range planFrames(chosen(specs, s.Only)) {
		f.Suite, f.Text = s.Name, s.Title
		g.send(f)
	}
	return true
}

// chosen are the specs whose names are in only; all where that is empty.
func chosen(specs []wire.Spec, only []string) []wire.Spec {
	if len(only) == 0 {
		return specs
	}
	var list []wire.Spec
	for _, s := range specs {
		if slices.Contains(only, s.Cleaned().Name) {
			list = append(list, s)
		}
	}
	return list
}

// round loads the modules, runs the suite or a shell, and unloads again.
func (g *guest) round(s *wire.Suite) {
	g.taint(wire.StageBoot)
	g.events.forget()
	before, leaks := lookAround(), openLeaks(leakFile)
	loaded := true
	g.stage(wire.StageLoad, func() {
		if loaded = g.load(); !loaded && !g.plan.Interactive {
			g.retreat(before)
		}
	})
	g.taint(wire.StageLoad)
	switch {
	case g.plan.Interactive:
		g.stage(wire.StageTest, g.shell)
	case !loaded:
		return
	case s != nil:
		g.stage(wire.StageTest, func() {
			g.runSuite(*s)
			g.pullAll()
			g.settle(time.Now(), settleTest)
		})
		g.taint(wire.StageTest)
	}
	g.stage(wire.StageUnload, func() {
		leaks.learn("/proc/kallsyms", g.plan.Modules)
		g.unload()
		began := time.Now()
		g.residue(before)
		g.settle(began, settleUnload)
		g.tellResidue(leaks.find())
	})
	g.taint(wire.StageUnload)
}

// retreat is for a load that was refused: those before it go again, and what is left then was left by the one that was
// refused, which must have taken back all that it had begun.
func (g *guest) retreat(before survey) {
	began := time.Now()
	if g.removeAll() {
		g.residue(before)
		g.settle(began, settleUnload)
	}
}

// removeAll takes out those modules that were loaded and are still there, and says whether none is.
func (g *guest) removeAll() bool {
	for _, m := range slices.Backward(g.plan.Modules[:g.loaded]) {
		if err := remove(m.Name, g.patience()); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
}

// sweep makes the guest as it was before a round, as far as that is in its power: no module of the last round, and a
// /tmp without its files. It says whether another round can begin; with a module that is still there none can, and the
// host, which knows that it does not go, misses the rounds.
func (g *guest) sweep() bool {
	if !g.removeAll() {
		return false
	}
	_ = unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") // where it cannot, the old one does as well
	return true
}
