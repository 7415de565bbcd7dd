package suites

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	_ "github.com/modmatrix/modmatrix/results/wire/calm" // for guests on an emulated processor
	"github.com/modmatrix/modmatrix/suites/procfs"
)

// ErrNotLoaded says that a module is not in /proc/modules.
var ErrNotLoaded = errors.New("module is not loaded")

// KernelModule is a module by its name; its methods ask the kernel each time. See Module.
type KernelModule struct{ name string }

// Module returns the module of that name, as in /proc/modules. It need not be loaded, nor exist, so Module may be called while
// the suite's tree is built.
func Module(name string) *KernelModule {
	return &KernelModule{wire.ModuleName(name)}
}

// Modules returns the modules under test, in the order in which they must be loaded.
func Modules() ([]*KernelModule, error) {
	plan, err := Plan()
	if err != nil {
		return nil, err
	}
	var modules []*KernelModule
	for _, m := range plan.Modules {
		modules = append(modules, Module(m.Name))
	}
	return modules, nil
}

// Name is the module's name.
func (m *KernelModule) Name() string { return m.name }

// String is the module's name, so that failures read well.
func (m *KernelModule) String() string { return m.name }

// Planned is the module in the plan: its file, the parameters that PID 1 passes, and those that it declares.
func (m *KernelModule) Planned() (wire.Module, error) {
	plan, err := Plan()
	if err != nil {
		return wire.Module{}, err
	}
	i := slices.IndexFunc(plan.Modules, func(planned wire.Module) bool { return wire.ModuleName(planned.Name) == m.name })
	if i < 0 {
		return wire.Module{}, fmt.Errorf("module %s is not under test: the plan does not name it", m.name)
	}
	return plan.Modules[i], nil
}

// Load loads the module with exactly these parameters, each "name=value" as in modmatrix.toml. When the kernel refuses, the
// error wraps its unix.Errno; the reason is in the kernel log. Modules it depends on must be loaded before.
func (m *KernelModule) Load(params ...string) error {
	line, err := wire.JoinParams(params)
	if err == nil {
		err = m.finit(line)
	}
	if err != nil {
		return fmt.Errorf("load module %s with %q: %w", m.name, params, err)
	}
	return nil
}

func (m *KernelModule) finit(params string) error {
	planned, err := m.Planned()
	if err != nil {
		return err
	}
	f, err := os.Open(planned.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), params, 0)
}

// LoadAsPlanned loads the module with the plan's parameters. The errors are those of Load.
func (m *KernelModule) LoadAsPlanned() error {
	planned, err := m.Planned()
	if err != nil {
		return fmt.Errorf("load module: %w", err)
	}
	return m.Load(planned.Params...)
}

// Unload unloads the module. The error wraps unix.EWOULDBLOCK for one that is in use, for Unload does not wait; unix.EBUSY
// for one without an exit function, which cannot be unloaded; and unix.ENOENT for one that is not loaded
// (Linux kernel/module/main.c, delete_module).
func (m *KernelModule) Unload() error {
	if err := unix.DeleteModule(m.name, unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("unload module %s: %w", m.name, err)
	}
	return nil
}

// Restore reloads the module as PID 1 had, for DeferCleanup(module.Restore) after an Unload. The errors are those of Unload and Load.
func (m *KernelModule) Restore() error {
	err := m.Unload()
	if err == nil || errors.Is(err, unix.ENOENT) {
		err = m.LoadAsPlanned()
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// Info is the module's line in /proc/modules, ErrNotLoaded when there is none.
func (m *KernelModule) Info() (procfs.Module, error) {
	modules, err := ProcModules()
	if err != nil {
		return procfs.Module{}, err
	}
	i := slices.IndexFunc(modules, func(module procfs.Module) bool { return module.Name == m.name })
	if i < 0 {
		return procfs.Module{}, fmt.Errorf("%s: %w", m.name, ErrNotLoaded)
	}
	return modules[i], nil
}

// State is "Live", "Loading" or "Unloading", and "" when the module is not loaded.
func (m *KernelModule) State() (string, error) {
	info, err := m.Info()
	if errors.Is(err, ErrNotLoaded) {
		return "", nil
	}
	return info.State, err
}

// Loaded says whether the module is loaded and live.
func (m *KernelModule) Loaded() (bool, error) {
	state, err := m.State()
	return state == "Live", err
}

// RefCount is the number of the module's users: open files, mounts, other modules. -1 where the kernel does not count.
func (m *KernelModule) RefCount() (int, error) {
	info, err := m.Info()
	return info.RefCount, err
}

// Holders are the names of loaded modules that use this one, sorted.
func (m *KernelModule) Holders() ([]string, error) {
	info, err := m.Info()
	return slices.Sorted(slices.Values(info.Holders)), err
}

// Taint is the letters of /sys/module/NAME/taint: the flags by which this module taints the kernel. Empty for none.
func (m *KernelModule) Taint() (string, error) { return ReadSysfs("module", m.name, "taint") }

// Version is MODULE_VERSION. A module without one has no such file, and the error is fs.ErrNotExist.
func (m *KernelModule) Version() (string, error) { return ReadSysfs("module", m.name, "version") }

// Param is the value of a parameter as the kernel shows it: "Y" for a true bool. A parameter that is declared with mode
// 0 has no file, and the error is fs.ErrNotExist; for one that is not readable it is fs.ErrPermission.
func (m *KernelModule) Param(name string) (string, error) {
	return ReadSysfs("module", m.name, "parameters", name)
}

// SetParam writes a parameter of the loaded module. When the module refuses the value, the error wraps its unix.Errno.
func (m *KernelModule) SetParam(name, value string) error {
	return WriteSysfs(value, "module", m.name, "parameters", name)
}

// Dir is the module's folder in sysfs, which exists while the module is loaded.
func (m *KernelModule) Dir() string { return filepath.Join("/sys/module", m.name) }

// ErrNoPlan says that this process does not run in a modmatrix guest.
var ErrNoPlan = errors.New("not in a modmatrix guest")

// inGuest: PID 1 of a guest started this process to run its specs. It is read before openPipe unsets the variable.
var inGuest = os.Getenv(wire.EnvReportFD) != ""

// planPath is where the plan lies: in a guest, or where PID 1's part is played by a process of this very machine.
var planPath = cmp.Or(os.Getenv(wire.EnvPlan), wire.PlanPath)

var readPlan = sync.OnceValues(func() (wire.Plan, error) { return openPlan(planPath) })

// Plan is the host's plan for this guest: the target, and the modules with their parameters. Outside of a guest: ErrNoPlan.
func Plan() (wire.Plan, error) { return readPlan() }

func openPlan(path string) (wire.Plan, error) {
	plan, err := wire.ReadPlan(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("read plan: %w", ErrNoPlan)
	}
	return plan, err
}

// RequireGuest skips the running spec outside of a modmatrix guest, where it would load modules into this machine's own
// kernel. In a guest without a plan, which is broken, it fails the spec. Use it as BeforeEach(suites.RequireGuest).
func RequireGuest() {
	_, err := Plan()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoPlan) && !inGuest:
		ginkgo.Skip("runs in a modmatrix guest only: it would change the kernel of this machine", 1)
	default:
		ginkgo.Fail(err.Error(), 1)
	}
}
