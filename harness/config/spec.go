package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// Flags are what the command line says. A zero field was not given.
type Flags struct {
	harness.Spec
	Kernels []string // selectors, and @NAME for a set of the file; in place of those of Spec
	Trust   bool     // take what the file names of this machine, now and until it changes
}

// Spec merges c with its lock and with what was given on the command line, which wins. Lists replace those of the file,
// but for Params and Make, of which those of another name stay, and Packages, which are added. A suite goes by its path or by its name, if it is one of
// the file's or lies in the module's folder suites. Every error is a *harness.UsageError.
func (c Config) Spec(flags Flags) (harness.Spec, error) {
	s, err := c.merge(flags)
	if err != nil {
		return s, &harness.UsageError{Err: err}
	}
	lock, err := ReadLock(c.Lock)
	if err != nil && c.bundle != "" {
		err = &harness.UsageError{Err: fmt.Errorf("%s: %s cannot be used: ask for another one", c.bundle, harness.LockName)}
	}
	s.Pins = lock.resolutions()
	return s, err
}

func (c Config) merge(flags Flags) (harness.Spec, error) {
	s := flags.Spec
	if err := checkFlags(s); err != nil {
		return s, err
	}
	if len(flags.Prebuilt) == 0 {
		s.Module = cmp.Or(flags.Module, ".")
	}
	s.Out = cmp.Or(flags.Out, c.Out)
	s.Timeout = cmp.Or(flags.Timeout, time.Duration(c.Guest.Timeout))
	s.Jobs = cmp.Or(flags.Jobs, c.Jobs)
	s.MemoryMiB = cmp.Or(flags.MemoryMiB, c.Guest.MemoryMiB)
	s.CPUs = cmp.Or(flags.CPUs, c.Guest.CPUs)
	s.RequireKVM = flags.RequireKVM || c.RequireKVM
	s.Load = nonEmpty(flags.Load, c.Module.Load)
	s.Firmware = cmp.Or(flags.Firmware, c.Guest.Firmware)
	s.Devices = nonEmpty(flags.Devices, c.Guest.Devices)
	s.Plugs = assignments(c.Guest.plugs(), flags.Plugs)
	s.Modules = nonEmpty(flags.Modules, c.Guest.Modules)
	s.Mirror = cmp.Or(flags.Mirror, c.Debian.Mirror)
	s.SecurityURL = cmp.Or(flags.SecurityURL, c.Debian.SecurityMirror)
	s.Params = assignments(c.Params, flags.Params)
	s.Make = assignments(c.Make, flags.Make)
	s.Exclude = nonEmpty(flags.Exclude, c.Module.Exclude)
	s.CheckExclude, s.CheckFails = nonEmpty(flags.CheckExclude, c.Checks.Exclude), assignments(c.Checks.fails(), flags.CheckFails)
	if len(flags.Prebuilt) > 0 {
		s.Make, s.Exclude, c.Build.Packages = nil, nil, nil // nothing is built
	}
	s.Packages = slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.Build.Packages, flags.Packages))))
	archs, err := Archs(nonEmpty(flags.Archs, c.Arch))
	if err != nil {
		return s, fmt.Errorf("--arch: %w", err)
	}
	if s.Kernels, err = c.selectors(flags.Kernels); err != nil {
		return s, err
	}
	s.Archs, s.Kernels, s.Required = archs, onEach(s.Kernels, archs), onEach(c.Required, archs)
	if s.Suites, err = c.suites(s.Module, flags.Suites); err != nil {
		return s, err
	}
	if flags.Checks && !slices.Contains(s.Suites, results.Checks) {
		s.Suites = append(slices.Clone(s.Suites), results.Checks)
	}
	return s, nil
}

// suites are those that are named, else those of the file.
func (c Config) suites(module string, named []string) (dirs []string, err error) {
	if len(named) == 0 {
		return c.Suites, nil
	}
	for _, name := range named {
		dir, err := c.suite(module, name)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// nonEmpty is the first list with something in it, nil where there is none.
func nonEmpty(lists ...[]string) []string {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}

// checkFlags says what may be given where it was not. The zero value was not given.
func checkFlags(f harness.Spec) error {
	if _, err := regexp.Compile(f.Focus); err != nil {
		return fmt.Errorf("--focus: %w", err)
	}
	switch {
	case f.Timeout != 0 && (f.Timeout < time.Second || f.Timeout > 24*time.Hour):
		return fmt.Errorf("--timeout %v: from 1s to 24h", f.Timeout)
	case f.Count < 0 || f.Count > 10_000:
		return fmt.Errorf("--count %d: from 1 to 10000", f.Count)
	case f.Retries < 0 || f.Retries > 100:
		return fmt.Errorf("--retries %d: from 0 to 100", f.Retries)
	case f.Count > 1 && f.Retries > 0:
		return errors.New("--count and --retries exclude each other: the one shows every end, the other seeks a better one")
	case f.DeferInTree && f.CompareInTree:
		return errors.New("--defer-in-tree and --compare-in-tree exclude each other: the one skips the kernels that the other looks for")
	case f.Isolate != "" && !slices.Contains(harness.Isolations, f.Isolate):
		return fmt.Errorf("--isolate %q: %s", f.Isolate, strings.Join(harness.Isolations, ", "))
	case len(f.Prebuilt) > 0 && len(f.Depends)+len(f.Packages) > 0:
		return errors.New("with --prebuilt nothing is built, so --depends and --build-package have no meaning: give what the module builds upon with --prebuilt as well")
	case f.Jobs < 0 || f.Jobs > 1024:
		return fmt.Errorf("-j %d: from 1 to 1024", f.Jobs)
	case badPackage(f.Packages) != "":
		return fmt.Errorf("--build-package: %s", badPackage(f.Packages))
	case badPackage(f.FirmwarePackages()) != "":
		return fmt.Errorf("--firmware: %s", badPackage(f.FirmwarePackages()))
	case badModule(f.Load, "a module") != "":
		return fmt.Errorf("--load: %s", badModule(f.Load, "a module"))
	case badDevice(f.Devices) != "":
		return fmt.Errorf("--device: %s", badDevice(f.Devices))
	case badPlug(f.Plugs) != "":
		return fmt.Errorf("--plug: %s", badPlug(f.Plugs))
	case badHostDevice(f.HostDevices) != "":
		return fmt.Errorf("--host-device: %s", badHostDevice(f.HostDevices))
	}
	if i := slices.IndexFunc(f.Params, notAssignment); i >= 0 {
		return fmt.Errorf("--param %q: write name=value", f.Params[i])
	}
	return nil
}

// assignments are those of base whose name is not in over, then those of over.
func assignments(base, over []string) []string {
	name := func(s string) string { n, _, _ := strings.Cut(s, "="); return n }
	overridden := func(b string) bool {
		return slices.ContainsFunc(over, func(o string) bool { return name(o) == name(b) })
	}
	return slices.Concat(slices.DeleteFunc(slices.Clone(base), overridden), over)
}

func (c Config) suite(module, name string) (string, error) {
	if name == harness.Lifecycle || name == results.Checks || slices.Contains(c.Ready, name) {
		return name, nil
	}
	known := append([]string{harness.Lifecycle}, c.Ready...)
	candidates := []string{name}
	for _, s := range c.Suites {
		if filepath.Base(s) == name {
			candidates = append(candidates, s)
		}
		known = append(known, filepath.Base(s))
	}
	for _, dir := range append(candidates, filepath.Join(module, harness.SuitesDir, name)) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return "", fmt.Errorf("unknown suite %q: no such folder%s", name, Hint(name, known, "known by name: "+strings.Join(slices.Compact(known), ", ")))
}
