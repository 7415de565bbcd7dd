package harness

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
)

// payload is what a guest gets for its task: the plan, and every file that it names.
func (c *cell) payload(do task) (initramfs.Payload, error) {
	t := c.tree.Target
	plan := wire.Plan{Nonce: rand.Text(), Time: time.Now().UnixNano(), Interactive: do.shell, List: do.list,
		Target: wire.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour}, Seed: seed(),
		Plugs: plugNames(c.spec().Plugs), PatienceMS: (c.run.h.deadlines(c.spec(), t).call / 3).Milliseconds(), SettleMS: do.settle.Milliseconds()}
	files, err := c.addKernelModules(&plan, do)
	if err != nil {
		return initramfs.Payload{}, err
	}
	if !do.bare {
		files = append(files, c.addModules(&plan)...)
	}
	for i, name := range do.suites {
		suite := c.wireSuite(name, do)
		if i > 0 {
			suite.Path += fmt.Sprintf("-%d", i+1)
		}
		plan.Suites = append(plan.Suites, suite)
		files = append(files, initramfs.File{Guest: suite.Path, Host: c.run.suites[name].path, Mode: 0o755})
	}
	if c.tree.DotFile != "" && !do.bare {
		files = append(files, initramfs.File{Guest: wire.PayloadDir + "/config", Host: c.tree.DotFile, Mode: 0o644})
	}
	return initramfs.Payload{Plan: plan, Files: files}, nil
}

func (c *cell) spec() Spec { return c.run.plan.Spec }

// wireSuite is what the guest is told of a suite.
func (c *cell) wireSuite(name string, do task) wire.Suite {
	s := wire.Suite{Name: name, Path: wire.SuitePath, TimeoutMS: suiteTimeout(c.run.h.deadlines(c.spec(), c.tree.Target)).Milliseconds()}
	if !do.part.whole() {
		s.Only = do.part.only
	} else if c.spec().Focus != "" {
		s.Args = []string{"--ginkgo.focus=" + c.spec().Focus}
	}
	if !c.spec().NoCache && !do.list || s.Only != nil {
		known := c.knownSpecs(name)
		s.Known, s.Title = known.Specs, known.Title
	}
	return s
}

// addKernelModules puts those of the kernel's own modules into plan that are wanted beside the modules under test and that
// they depend on, and gives the files. Without the modules under test, what is wanted beside them is there all the same.
func (c *cell) addKernelModules(plan *wire.Plan, do task) ([]initramfs.File, error) {
	var files []initramfs.File
	names := c.run.kernelModules()
	switch {
	case do.bare:
	case c.counterpart: // the kernel knows what its own modules need, softly too
		names = append(names, moduleNamesOf(c.built.Modules)...)
	default:
		names = append(names, foreign(slices.Concat(c.built.depends, c.built.Modules))...)
	}
	deps, err := c.tree.Closure(names...)
	if err != nil {
		return nil, err
	}
	for _, host := range deps {
		if c.counterpart && slices.Contains(moduleNamesOf(c.built.Modules), kernels.ModuleName(host)) {
			continue // it is loaded as what is tested
		}
		file, err := kernelFile(host)
		if err != nil {
			return nil, err
		}
		plan.Dependencies = append(plan.Dependencies, file.Guest)
		files = append(files, file)
	}
	if do.part == nil { // nothing was asked for yet
		return files, nil
	}
	return c.addRequested(plan, files, do.part.requested)
}

// kernelFile is the kernel's own module at host as a file of a guest.
func kernelFile(host string) (initramfs.File, error) {
	data, err := kernels.ReadModule(host)
	name, _, _ := strings.Cut(filepath.Base(host), ".ko")
	return initramfs.File{Guest: wire.ModuleDir + "/kernel/" + name + ".ko", Data: data, Mode: 0o644}, err
}

// addModules puts the modules under test, and the packages that they build upon, into plan, and gives the files.
func (c *cell) addModules(plan *wire.Plan) (files []initramfs.File) {
	for i, m := range c.built.depends {
		guest := fmt.Sprintf("%s/depends/%d-%s.ko", wire.ModuleDir, i, m.Name)
		plan.Dependencies = append(plan.Dependencies, guest)
		files = append(files, initramfs.File{Guest: guest, Host: m.Path, Mode: 0o644})
	}
	for _, m := range c.built.Modules {
		guest := wire.ModuleDir + "/" + m.Name + ".ko"
		plan.Modules = append(plan.Modules, wire.Module{Name: m.Name, Path: guest, Params: paramsFor(m, c.spec().Params), Declared: declared(m)})
		files = append(files, initramfs.File{Guest: guest, Host: m.Path, Mode: 0o644})
	}
	return files
}

// foreign lists what the modules depend on and do not bring themselves.
func foreign(modules []kbuild.Module) []string {
	own := map[string]bool{}
	for _, m := range modules {
		own[m.Name] = true
	}
	var names []string
	for _, m := range modules {
		for _, d := range m.Depends {
			if !own[wire.ModuleName(d)] && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	return names
}

// paramsFor gives those of params that m declares: in a package of several modules each takes its own.
func paramsFor(m kbuild.Module, params []string) []string {
	var out []string
	for _, p := range params {
		name, _, _ := strings.Cut(p, "=")
		if slices.ContainsFunc(m.Params, func(d kbuild.Param) bool { return d.Name == name }) {
			out = append(out, p)
		}
	}
	return out
}

// untaken says which of params none of modules declares, so that nobody takes a slip of the fingers for a test.
func untaken(modules []kbuild.Module, params []string) (notes []string) {
	for _, p := range params {
		if name, _, _ := strings.Cut(p, "="); !takes(modules, p) {
			notes = append(notes, "the module takes no parameter "+name+", which was left out")
		}
	}
	return notes
}

func declared(m kbuild.Module) []wire.Param {
	var out []wire.Param
	for _, p := range m.Params {
		out = append(out, wire.Param{Name: p.Name, Type: p.Type, Desc: p.Description})
	}
	return out
}

// seed gives a guest's random generator what no other guest has.
func seed() []byte {
	b := make([]byte, wire.SeedSize)
	rand.Read(b) // never fails
	return b
}
