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
	"github.com/modmatrix/modmatrix/vm"
)

// payload is what a guest gets for its task: the plan, and every file that it names.
func (s *session) payload() (initramfs.Payload, error) {
	t := s.cell.tree.Target
	plan := wire.Plan{Nonce: rand.Text(), Time: time.Now().UnixNano(), Interactive: s.task.shell, List: s.task.list,
		Target: wire.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour}, Seed: make([]byte, wire.SeedSize),
		Plugs: listOf(plugsOf(s.cell.spec().Plugs), func(p vm.Plug) string { return p.Name }), SettleMS: s.task.settle.Milliseconds()}
	rand.Read(plan.Seed) // never fails
	if s.task.hasOwn() {
		plan.Await = s.cell.run.own.kinds()
	}
	files, err := s.addKernelModules(&plan)
	if err != nil {
		return initramfs.Payload{}, err
	}
	if !s.task.bare {
		files = append(files, s.addModules(&plan)...)
		if !isHere(t) {
			files = append(files, s.cell.firmwareFiles()...)
		}
	}
	if s.task.debug != nil {
		plan.Debug = finalize
	}
	if s.task.shell {
		for _, suite := range s.cell.run.plan.Suites {
			at := wire.SuiteDir + "/" + suite.Name
			plan.Suites = append(plan.Suites, wire.Suite{Name: suite.Name, Path: at})
			files = append(files, initramfs.File{Guest: at, Host: s.cell.compiled(suite.Name).path, Mode: 0o755})
		}
	}
	for i, name := range s.task.suites {
		suite := s.wireSuite(name)
		if i > 0 {
			suite.Path += fmt.Sprintf("-%d", i+1)
		}
		plan.Suites = append(plan.Suites, suite)
		files = append(files, initramfs.File{Guest: suite.Path, Host: s.cell.compiled(name).path, Mode: 0o755})
	}
	if s.cell.tree.DotFile != "" && !s.task.bare {
		files = append(files, initramfs.File{Guest: wire.PayloadDir + "/config", Host: s.cell.tree.DotFile, Mode: 0o644})
	}
	return initramfs.Payload{Plan: plan, Files: files}, nil
}

func (s *session) wireSuite(name string) wire.Suite {
	w := wire.Suite{Name: name, Path: wire.SuitePath, TimeoutMS: suiteTimeout(s.cell.limits()).Milliseconds()}
	if !s.task.part.whole() {
		w.Only = s.task.part.only
	} else if s.cell.spec().Focus != "" {
		w.Args = []string{"--ginkgo.focus=" + s.cell.spec().Focus}
	}
	if !s.cell.spec().NoCache && !s.task.list || w.Only != nil {
		known := s.cell.knownSpecs(name)
		w.Known, w.Title = known.Specs, known.Title
	}
	return w
}

// addKernelModules puts those of the kernel's own modules into plan that are wanted beside the modules under test and that
// they depend on, and returns the files. Without the modules under test, what is wanted beside them is there all the same.
func (s *session) addKernelModules(plan *wire.Plan) ([]initramfs.File, error) {
	var files []initramfs.File
	names := s.cell.run.kernelModules(s.cell.tree.Target)
	switch {
	case s.task.bare:
	case s.cell.counterpart: // the kernel knows what its own modules need, softly too
		names = append(names, moduleNamesOf(s.cell.built.Modules)...)
	default:
		names = append(names, s.cell.had(s.cell.foreign())...)
	}
	deps, err := s.cell.tree.Closure(names...)
	if err != nil {
		return nil, err
	}
	for _, host := range deps {
		if s.cell.counterpart && slices.Contains(moduleNamesOf(s.cell.built.Modules), kernels.ModuleName(host)) {
			continue // it is loaded as what is tested
		}
		file, err := kernelFile(host, kernelDir)
		if err != nil {
			return nil, err
		}
		plan.Dependencies = append(plan.Dependencies, file.Guest)
		files = append(files, file)
	}
	var req requested
	if s.task.part != nil {
		req = s.task.part.requested
	}
	if !s.task.bare && !s.cell.counterpart {
		req.modules = append(s.cell.soft(), req.modules...)
	}
	return s.addRequested(plan, files, req)
}

// kernelFile is the kernel's own module at host as a file of a guest, whose path begins with prefix.
func kernelFile(host, prefix string) (initramfs.File, error) {
	data, err := kernels.ReadModule(host)
	name, _, _ := strings.Cut(filepath.Base(host), ".ko")
	return initramfs.File{Guest: prefix + name + ".ko", Data: data, Mode: 0o644}, err
}

const kernelDir = wire.ModuleDir + "/kernel/"

// addRequested puts what the kernel asked for into plan, and the files of it that are not there yet behind files.
func (s *session) addRequested(plan *wire.Plan, files []initramfs.File, req requested) ([]initramfs.File, error) {
	paths, err := s.cell.tree.Closure(req.modules...)
	if err != nil {
		return nil, err
	}
	for _, host := range paths {
		if s.cell.brings(kernels.ModuleName(host)) {
			continue
		}
		file, err := kernelFile(host, kernelDir)
		if err != nil {
			return nil, err
		}
		plan.Given = append(plan.Given, file.Guest)
		if !slices.ContainsFunc(files, func(f initramfs.File) bool { return f.Guest == file.Guest }) {
			files = append(files, file)
		}
	}
	plan.Asked = req.names
	return files, nil
}

// addModules puts the modules under test, and the packages that they build upon, into plan, and returns the files.
func (s *session) addModules(plan *wire.Plan) (files []initramfs.File) {
	for i, m := range s.cell.built.depends {
		guest := fmt.Sprintf("%s/depends/%d-%s.ko", wire.ModuleDir, i, m.Name)
		plan.Dependencies = append(plan.Dependencies, guest)
		files = append(files, initramfs.File{Guest: guest, Host: m.Path, Mode: 0o644})
	}
	all := kbuild.LoadOrder(s.cell.built.all())
	for i, m := range all {
		planned := s.planned(m, all[:i])
		files = append(files, initramfs.File{Guest: planned.Path, Host: m.Path, Mode: 0o644})
		if slices.Contains(moduleNamesOf(s.cell.built.spare), m.Name) {
			plan.Spare = append(plan.Spare, planned)
		} else {
			plan.Modules = append(plan.Modules, planned)
		}
	}
	return files
}

// foreign lists what the modules depend on and do not bring themselves, but for what was built and is not installed.
func (c *cell) foreign() []string {
	var names []string
	modules := slices.Concat(c.built.depends, c.built.all())
	own := moduleNamesOf(modules)
	for _, m := range c.built.Unlisted {
		if _, ok, err := c.tree.Module(m.Name); !ok && err == nil { // else the kernel's own serves
			own = append(own, m.Name)
		}
	}
	for _, m := range modules {
		for _, d := range m.Depends {
			if !slices.Contains(own, wire.ModuleName(d)) && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	return names
}

// paramsFor returns those of params that m declares: in a package of several modules each takes its own.
func paramsFor(m kbuild.Module, params []string) []string {
	return slices.DeleteFunc(slices.Clone(params), func(p string) bool { return !takes([]kbuild.Module{m}, p) })
}

// takes reports whether one of modules declares the parameter that is given as NAME=VALUE.
func takes(modules []kbuild.Module, param string) bool {
	name, _, _ := strings.Cut(param, "=")
	return slices.ContainsFunc(modules, func(m kbuild.Module) bool {
		return slices.ContainsFunc(m.Params, func(p kbuild.Param) bool { return p.Name == name })
	})
}

// untaken says which of params none of modules declares, so that a typo is not taken for a test.
func untaken(modules []kbuild.Module, params []string) (notes []string) {
	for _, p := range params {
		if name, _, _ := strings.Cut(p, "="); !takes(modules, p) {
			notes = append(notes, "the module takes no parameter "+name+", which was left out")
		}
	}
	return notes
}

func declared(p kbuild.Param) wire.Param {
	return wire.Param{Name: p.Name, Type: p.Type, Desc: p.Description}
}
