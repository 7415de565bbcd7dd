package guest

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// rounds loads the dependencies, reports the specs, and then runs a round for each suite.
func (g *guest) rounds() {
	if !g.loadDependencies() {
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
		if s := &g.plan.Suites[i]; g.planSuite(s) {
			ready = append(ready, s)
		}
	}
	if g.plan.List {
		return
	}
	for i, s := range ready {
		if i > 0 && !g.cleanUp() {
			return
		}
		g.requests.newRound()
		g.suite.Store(&s.Name)
		g.round(s)
		g.suite.Store(nil)
	}
}

func (g *guest) loadDependencies() bool {
	if g.plan.List {
		return true
	}
	for _, path := range g.plan.Given {
		_ = g.loadDependency(path) // of several for one name, some need hardware; the kernel log has the reason
	}
	for _, path := range g.plan.Dependencies {
		if err := g.loadDependency(path); err != nil {
			g.fail("%v", err)
			return false
		}
	}
	if !g.awaitDevices() {
		return false
	}
	if g.here == nil { // what the plan's modules bring: configfs is a module in Debian's kernels, and gpio-sim is configured there
		_ = unix.Mount("configfs", "/sys/kernel/config", "configfs", 0, "")
	}
	return true
}

// planSuite reports a suite's specs before a module could make it hang. It runs the suite for what the plan does not know.
func (g *guest) planSuite(s *wire.Suite) bool {
	specs := s.Known
	if len(specs) == 0 || len(s.Only) > 0 && s.Title == "" {
		r, err := g.listSpecs(*s)
		if err != nil {
			g.send(wire.Frame{Kind: wire.KindTrouble, Suite: s.Name, Text: fmt.Sprintf("list the specs of suite %s: %v", s.Name, err)})
			return false
		}
		specs, s.Title = planOf(r), r.SuiteDescription
	}
	for _, f := range planFrames(selectSpecs(specs, s.Only)) {
		f.Suite, f.Text = s.Name, s.Title
		g.send(f)
	}
	return true
}

func selectSpecs(specs []wire.Spec, only []string) []wire.Spec {
	if len(only) == 0 {
		return specs
	}
	return slices.DeleteFunc(slices.Clone(specs), func(s wire.Spec) bool { return !slices.Contains(only, s.Cleaned().Name) })
}

// round loads the modules, runs the suite or a shell, and unloads again.
func (g *guest) round(s *wire.Suite) {
	g.taint(wire.StageBoot)
	g.events.reset()
	g.hardware.reset()
	if g.here == nil {
		forgetReads(wire.FirmwareDir)
	}
	before, leaks := takeSurvey(), g.openLeaks()
	loaded := true
	g.stage(wire.StageLoad, func() {
		g.awaitDebugger()
		if loaded = g.load(); !loaded && !g.plan.Interactive {
			g.rollBack(before)
		} else if err := g.showLoaded(); err != nil {
			g.fail("list what is loaded for the suites: %v", err)
		}
		g.reportHardware()
	})
	g.taint(wire.StageLoad)
	switch {
	case g.fell():
		return
	case g.plan.Interactive:
		g.stage(wire.StageTest, func() {
			g.shell()
			g.pullAll()
		})
	case !loaded:
		g.reportFirmware()
		return
	case s != nil:
		g.stage(wire.StageTest, func() {
			g.runSuite(*s)
			g.reportHardware()
			g.pullAll()
			g.settle(time.Now(), settleTest)
		})
		g.taint(wire.StageTest)
	}
	if g.fell() {
		return
	}
	g.reportFirmware()
	g.stage(wire.StageUnload, func() {
		leaks.loadSymbols("/proc/kallsyms", g.everyModule())
		g.unload()
		began := time.Now()
		g.residue(before)
		g.settle(began, settleUnload)
		g.sendResidue(leaks.find())
	})
	g.taint(wire.StageUnload)
}

// rollBack unloads after a refused load: what is left then, the refused module should have undone.
func (g *guest) rollBack(before survey) {
	began := time.Now()
	if g.removeAll() {
		g.residue(before)
		g.settle(began, settleUnload)
	}
}

func (g *guest) removeAll() bool {
	g.under.setOpen(false)
	for _, name := range slices.Backward(g.under.list()) {
		if err := remove(name); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
}

// cleanUp prepares the guest for another round: no module of the last round, and an empty /tmp. It returns false where a
// module cannot be unloaded: no round can follow then, and the host, which knows of the module, will miss them.
func (g *guest) cleanUp() bool {
	if g.fell() || !g.removeAll() {
		return false
	}
	if g.here != nil {
		return g.here.emptyTmp(g.places) == nil
	}
	_ = unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") // else the old one serves
	return true
}
