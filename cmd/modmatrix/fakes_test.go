package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// fakes stand in the place of archives, compilers and the accelerator's probe. QEMU is that of vmtest: all else is real.
func fakes() harness.Fakes {
	sources := map[string]harness.Source{}
	for _, name := range kernels.Sources {
		sources[name] = archive{}
	}
	machine := cmp.Or(os.Getenv("FAKE_MACHINE"), "/nonexistent") // a folder with sys, dev and proc
	return harness.Fakes{Host: hostdevice.Host{Sys: machine + "/sys", Dev: machine + "/dev", Proc: machine + "/proc"}, Sources: sources, Build: fakeBuild, Checks: fakeChecks,
		Compile: func(_ context.Context, _, out string) error { return os.WriteFile(out, []byte("suite"), 0o755) },
		Digest:  func(_ context.Context, dir string) (string, error) { return "sha256:" + store.Digest(dir), nil },
		Base: func(_ context.Context, opt initramfs.Options) error {
			return os.WriteFile(opt.Out, []byte("base"), 0o644)
		},
		Probe: func(context.Context, vm.ProbeConfig) (vm.Verdict, error) {
			return vm.Verdict{Accel: vm.Accel{Name: "tcg", CPU: "max"}}, nil
		}}
}

// released are fakes of a release: it brings an image and the built-in suite along, and whatever it compiles takes Go.
func released() harness.Fakes {
	f := fakes()
	f.Compile, f.Digest, f.Base = nil, nil, nil
	f.Carried = func() (all []initramfs.Ready, err error) {
		dir, err := os.MkdirTemp("", "carried-") // in a script's own folder
		for _, name := range []string{"", harness.Lifecycle} {
			r := initramfs.Ready{Suite: name, Arch: vm.HostArch(), Size: 3, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("any"))), Path: filepath.Join(dir, "file-"+name)}
			all, err = append(all, r), errors.Join(err, os.WriteFile(r.Path, []byte("any"), 0o644))
		}
		return all, err
	}
	return f
}

// archive has a kernel for every name but nothing and offline; its newest are those of releases.
type archive struct{}

var releases = []string{"5.10.262 debian:bullseye", "6.1.192 debian:bookworm", "6.12.43 debian:trixie", "6.12.90 debian:trixie",
	"6.12.94 debian:trixie", "6.12.111 debian:trixie", "6.12.117 debian:trixie", "7.3.4 debian:trixie-backports"}

func target(version, source string) kernels.Target {
	return kernels.Target{Release: version + "-amd64", Version: version, Arch: "x86_64", Flavour: "amd64", Source: source, Packages: []kernels.Package{{Name: "linux", Version: "1", Arch: "amd64", SHA256: strings.Repeat("0a", 32)}}}
}

func (archive) Resolve(_ context.Context, sel kernels.Selector) (res kernels.Resolution, err error) {
	switch sel.Name {
	case "nothing":
		return res, fmt.Errorf("%w: %s", kernels.ErrNoMatch, sel)
	case "offline":
		return res, fmt.Errorf("%w: no network", kernels.ErrUnavailable)
	case "panic":
		panic("a bug")
	case "sid":
		res.Notices = []string{"the index is old"}
	}
	source, _, _ := strings.Cut(sel.String(), "@")
	t := target("6.1.0", source)
	for _, r := range releases {
		if version, at, _ := strings.Cut(r, " "); at == source {
			t = target(version, source)
		}
	}
	res.Targets = []kernels.Target{t}
	return res, nil
}

// Releases is all that the archive has, two of them without headers.
func (archive) Releases(context.Context, string) (res kernels.Resolution, err error) {
	for _, r := range releases {
		version, source, _ := strings.Cut(r, " ")
		if t := target(version, source); version != "6.12.43" && version != "6.12.90" {
			res.Targets = append(res.Targets, t)
		} else {
			res.Incomplete = append(res.Incomplete, &kernels.IncompleteError{Release: t.Release, Version: t.Version, Reason: "it holds an image of " + t.Release + ", but not what modules are built with: x"})
		}
	}
	return res, nil
}

// fakeLinux is the variable with the folder of a kernel's source.
const fakeLinux = "FAKE_LINUX"

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// Whole is a kernel's source, as far as a module is rehearsed in one.
func (archive) Whole(context.Context, kernels.Target, func(kernels.Progress)) (string, error) {
	return os.Getenv(fakeLinux), nil
}

// Root is this machine's: what tests need is installed here.
func (archive) Root(context.Context, string, []string, func(kernels.Progress)) (kernels.Root, error) {
	return kernels.Root{}, nil
}

func (archive) Fetch(_ context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	dir := filepath.Join(os.Getenv("MODMATRIX_CACHE"), "fake")
	err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "vmlinuz"), []byte("image"), 0o644), os.WriteFile(filepath.Join(dir, "modules.dep"), nil, 0o644))
	report(kernels.Progress{What: "download " + t.Release, Done: 1, Total: 2, Unit: kernels.Bytes})
	tree := &kernels.Tree{Target: t, Dir: dir, Image: filepath.Join(dir, "vmlinuz"), Modules: dir, Digest: "sha256:" + t.Release}
	return tree, errors.Join(err, withSymvers(tree))
}

// withSymvers gives a kernel the Module.symvers that a script has for its version, and a module of its own. Versions count where some do.
func withSymvers(tree *kernels.Tree) error {
	symvers, err := os.ReadFile(filepath.Join(os.Getenv("MODMATRIX_CACHE"), "..", "symvers", tree.Target.Version))
	if err != nil {
		return nil
	}
	words := " SMP "
	if !bytes.HasPrefix(symvers, []byte("0x00000000")) {
		words, tree.Config = " SMP modversions ", kconfig.Parse("CONFIG_MODVERSIONS=y\n")
	}
	dir := filepath.Join(tree.Dir, tree.Target.Release)
	tree.Modules, tree.KDIR, tree.Mounts = dir, "/usr/src/fake", []kernels.Mount{{Host: dir, Guest: "/usr/src/fake"}}
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "Module.symvers"), symvers, 0o644), os.WriteFile(filepath.Join(dir, "modules.dep"), []byte("own.ko:\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "own.ko"), kotest.Module{Name: "own", Vermagic: tree.Target.Release + words}.Bytes(), 0o644))
}

// writeModule is the command "ko FILE NAME RELEASE SYMBOL=CRC…" of scripts: a module that was built with symbol versions.
func writeModule(ts *testscript.TestScript, _ bool, args []string) {
	m := kotest.Module{Name: args[1], Vermagic: args[2] + " SMP modversions "}
	for _, arg := range args[3:] {
		var v kotest.Version
		name, crc, _ := strings.Cut(arg, "=")
		_, err := fmt.Sscan(crc, &v.CRC)
		ts.Check(err)
		v.Name = name
		m.Versions = append(m.Versions, v)
		if name != "module_layout" {
			m.Wants = append(m.Wants, name)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), m.Bytes(), 0o644))
}

// fakeChecks finds nothing, but what the file "checker" in the module's folder says: "CHECK LEVEL PLACE KIND MESSAGE" in each line, or
// "CHECK missing REASON", or "CHECK broken REASON".
func fakeChecks(_ context.Context, r checks.Request, log io.Writer) (all []checks.Result, err error) {
	text, _ := os.ReadFile(filepath.Join(r.Source.Top, "checker"))
	for _, name := range checks.Names() {
		res := checks.Result{Name: name, Tool: name + " 1.0"}
		for line := range strings.Lines(string(text)) {
			switch words := strings.SplitN(strings.TrimSpace(line), " ", 5); {
			case words[0] != name:
			case words[1] == "missing":
				res.Missing = strings.Join(words[2:], " ")
			case words[1] == "broken":
				res.Broken = strings.Join(words[2:], " ")
			default:
				res.Findings = append(res.Findings, results.Finding{Level: results.Level(words[1]), Where: words[2], Kind: words[3], Message: words[4]})
			}
		}
		all = append(all, res)
	}
	fmt.Fprintln(log, "the tools said nothing")
	return all, nil
}

// fakeBuild does what the file "compiler" in the module's folder says: "fails VERSION REASON" on kernels of that version and
// newer ones, or it signals this process, once ("SIGNAL stop", or "SIGNAL deaf once", which listens to
// nobody) or twice ("SIGNAL deaf").
func fakeBuild(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
	text, _ := os.ReadFile(filepath.Join(r.Top, "compiler"))
	words := append(strings.SplitN(strings.TrimSpace(string(text)), " ", 3), "", "", "")
	signals := map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGHUP": syscall.SIGHUP, "SIGTERM": syscall.SIGTERM}
	switch sig, ok := signals[words[0]]; {
	case words[0] == "fails" && results.CompareVersions(r.Tree.Target.Version, words[1]) >= 0:
		return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: words[2]}
	case ok:
		syscall.Kill(os.Getpid(), sig)
		if <-ctx.Done(); words[1] != "deaf" {
			return nil, ctx.Err()
		}
		if words[2] != "once" {
			syscall.Kill(os.Getpid(), sig)
		}
		select {}
	}
	path := filepath.Join(r.Dir, "mydriver.ko")
	return &kbuild.Artifact{Modules: []kbuild.Module{{Name: "mydriver", Path: path, Version: "2.2"}}}, os.WriteFile(path, []byte("ko"), 0o644)
}
