package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/results/report"
)

// specFlags are the flags that say what is wanted; a flag that was not given leaves its field zero.
type specFlags struct {
	config.Flags
	bundle *harness.Bundle // that the module came in; nil: in none
}

// whichKernels adds the flags of every verb that plans.
func (s *specFlags) whichKernels(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&s.Kernels, "kernel", "k", nil, "`SELECTOR` of kernels, e.g. debian:trixie, debian:all, host or @NAME of a set, see kernels --help; may be repeated")
	f.BoolVar(&s.Locked, "locked", false, "take no kernel that modmatrix.lock does not pin")
	f.StringArrayVar(&s.Depends, "depends", nil, "`PATH` of a package that the module builds upon; may be repeated")
	f.StringArrayVar(&s.Packages, "build-package", nil, "`NAME` of a package of Debian that the build needs, e.g. xxd or python3; may be repeated")
	f.BoolVar(&s.Offline, "offline", false, "never touch the network")
	s.trusts(cmd)
}

// trusts adds the flag of every verb that reads the configuration of a module's folder.
func (s *specFlags) trusts(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.Trust, "trust", false, "take what modmatrix.toml names of this machine (local kernels, folders elsewhere, mirrors), now and until it changes")
}

// whichGuest adds the flags that say in what the module is loaded.
func (s *specFlags) whichGuest(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.Prebuilt, "prebuilt", nil, "`FILE` with modules that are loaded as they are, in place of a build: a .ko, or a .deb, .rpm or tar with some; may be repeated")
	f.StringArrayVar(&s.Params, "param", nil, "`NAME=VALUE` for the module whenever it is loaded; may be repeated")
	f.StringSliceVar(&s.Load, "load", nil, "the `MODULES`, separated by commas, to load of a package that has several; default: all")
	f.StringVar(&s.Firmware, "firmware", "", "`DIR` with the firmware that the module asks for, as /lib/firmware has it, or debian:NAME,… for packages of firmware")
	f.StringArrayVar(&s.Devices, "device", nil, "`ROW` of QEMU's -device, e.g. edu or e1000, a stand-in for the hardware that the module drives; may be repeated")
	f.StringArrayVar(&s.HostDevices, "host-device", nil, "`DEVICE` of this machine, usb:VVVV:PPPP or pci:BB:DD.F, which each guest gets in turn; may be repeated")
	f.BoolVar(&s.RequireKVM, "require-kvm", false, "refuse to fall back to emulation")
}

// whichArchs adds the flag that multiplies the kernels.
func (s *specFlags) whichArchs(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&s.Archs, "arch", nil, "`ARCHS`, separated by commas and in Debian's words, or all: of which the kernels are that name no architecture (default: this machine's)")
}

// whichSuites adds the flags that say what is run in a guest, and with what devices.
func (s *specFlags) whichSuites(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.Suites, "suite", nil, "`SUITE` to run, a folder or a name; may be repeated (default lifecycle)")
	f.StringArrayVar(&s.Plugs, "plug", nil, "`NAME=ROW` of a stand-in that is not there at boot, e.g. kbd=usb-kbd, which suites plug in and pull; may be repeated")
}

// ofRun adds the flags of run, which plan, build and bisect take as well, so that only the verb need be changed.
func (s *specFlags) ofRun(cmd *cobra.Command) {
	s.whichKernels(cmd)
	s.whichArchs(cmd)
	s.whichGuest(cmd)
	s.whichSuites(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.Checks, "checks", false, "run the static checks on each kernel as well, see check")
	f.StringVar(&s.Focus, "focus", "", "only specs whose name matches the regular expression `RE`")
	f.DurationVar(&s.Timeout, "timeout", 0, "`TIME` for one guest from power-on to power-off (default 10m)")
	f.StringVar(&s.Isolate, "isolate", "", "`WHAT` gets a fresh guest: suite, spec, or none, where suites share one (default suite)")
	f.IntVar(&s.Count, "count", 0, "`N` guests for each cell, one after the other; the worst decides")
	f.IntVar(&s.Retries, "retries", 0, "`N` guests more for a cell that fails; it is flaky where one of them passes, and fails all the same")
	f.BoolVar(&s.DeferInTree, "defer-in-tree", false, "skip a kernel that brings the module itself, no older than this one")
	f.BoolVar(&s.CompareInTree, "compare-in-tree", false, "where a kernel brings a module of that name itself, run the suites with its copy as well, and show both")
	f.BoolVar(&s.Yes, "yes", false, "agree to what -k here does to this machine, instead of being asked")
	f.BoolVar(&s.FailFast, "fail-fast", false, "end at the first FAIL; cells that were not run by then are MISS, and --resume runs them")
	s.ofOutput(cmd)
}

// ofOutput adds the flags of every verb that leaves results.
func (s *specFlags) ofOutput(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.Shard, "shard", "", "`I/N`: only that part of the kernels; auto: as the variables of a CI system say; see merge")
	f.StringVar(&s.Since, "since", "", "`RESULTS` of an earlier run to compare with, a folder or a file (default: the last ones, see history)")
	f.BoolVar(&s.NoCache, "no-cache", false, "run every guest and every check, even where nothing changed since it passed, and compile all of the module")
	f.StringVarP(&s.Out, "output", "o", "", "`DIR` for results and logs (default "+harness.OutName+")")
	f.IntVarP(&s.Jobs, "jobs", "j", 0, "`N` builds and guests at once (default: one for each CPU)")
}

// earlierRun adds the flags that say what becomes of the run that the folder of results holds.
func (s *specFlags) earlierRun(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&s.Resume, "resume", false, "continue the run that the folder of results holds, after it was killed or interrupted")
	f.BoolVar(&s.New, "new", false, "run only the kernels that are new or changed since the run that the folder of results holds")
}

// evidenceOf adds the flags that say what a tester hands on.
func (s *specFlags) evidenceOf(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.Sign, "sign", "", "`KEY` to sign the evidence with: an SSH key, the .pub of one that the agent has, or agent[:COMMENT]")
	f.StringVar(&s.TestedBy, "tested-by", "", "`'NAME <MAIL>'` that may be named as having tested this source; goes with --sign")
	f.BoolVar(&s.Evidence, "evidence", false, "write an evidence file, also without --sign (the run of a bundle always does)")
}

// verb is a command about a module: it does something with the spec of it.
func (s *specFlags) verb(name string, do func(cmd *cobra.Command, args []string, spec harness.Spec) error) *cobra.Command {
	return verb(name, func(cmd *cobra.Command, args []string) error {
		spec, err := s.spec(cmd, args)
		if err != nil {
			return err
		}
		return do(cmd, args, spec)
	})
}

// spec merges the flags with the configuration of the module's folder.
func (s *specFlags) spec(cmd *cobra.Command, args []string) (harness.Spec, error) {
	cfg, err := s.config(cmd, args)
	if err != nil {
		return harness.Spec{}, err
	}
	spec, err := cfg.Spec(s.Flags)
	if s.bundle != nil {
		spec.Bundle, spec.Ready = s.bundle, s.bundle.Ready()
	}
	return spec, err
}

func (s *specFlags) config(cmd *cobra.Command, args []string) (config.Config, error) {
	s.Module = "."
	if len(args) > 0 {
		s.Module = args[0]
	} else if len(s.Prebuilt) > 0 {
		s.Module = ""
		if _, err := os.Stat(harness.ConfigName); err == nil {
			fmt.Fprintln(cmd.ErrOrStderr(), report.Note(harness.ConfigName+" of this folder is not read with --prebuilt alone: name the folder, ., to have its kernels and suites"))
		}
	}
	cfg, err := s.ofModule(cmd)
	if err != nil {
		return cfg, err
	}
	if f := cmd.Flags().Lookup("require-kvm"); f != nil && f.Changed {
		cfg.RequireKVM = s.RequireKVM
	}
	return cfg, nil
}

// ofModule is the configuration of a folder, or of a bundle, less what it may not say. Any other archive configures nothing.
func (s *specFlags) ofModule(cmd *cobra.Command) (cfg config.Config, err error) {
	info, err := os.Stat(s.Module)
	switch {
	case err == nil && info.IsDir():
		cfg, err = config.Load(filepath.Join(s.Module, harness.ConfigName))
	case err == nil && harness.IsBundle(s.Module):
		if s.bundle, err = harness.OpenBundle(cmd.Context(), "", s.Module); err == nil {
			closeAtEnd(cmd.Context(), s.bundle)
			cfg, err = config.LoadBundle(s.bundle.Dir, s.Module, s.bundle.Suites())
		}
	default:
		return config.Default(), nil
	}
	if err != nil {
		return cfg, err
	}
	cfg, note, err := cfg.Restrict(s.Flags)
	switch {
	case err != nil || note == "":
	case s.bundle != nil:
		s.bundle.Ignored = note // it is part of the line that says what the bundle is
	default:
		fmt.Fprintln(cmd.ErrOrStderr(), report.Note(note))
	}
	return cfg, err
}

// ends are what is closed when the command is over, whichever it is and however it ends; see closeAtEnd.
type ends struct{ bundles []*harness.Bundle }

type endsKey struct{}

func (e *ends) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, endsKey{}, e)
}

func (e *ends) close() {
	for _, b := range e.bundles {
		b.Close()
	}
}

// closeAtEnd has b closed at the end of the command that ctx is of.
func closeAtEnd(ctx context.Context, b *harness.Bundle) {
	if e, ok := ctx.Value(endsKey{}).(*ends); ok {
		e.bundles = append(e.bundles, b)
	}
}
