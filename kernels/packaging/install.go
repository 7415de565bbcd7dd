package packaging

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

//go:embed install.sh
var installScript string

// Profile, of a target, says that the module is installed there as the package that it is, by that release's own dpkg and dkms.
const Profile = "package"

// Tools are the packages of Debian with which one is installed.
var Tools = []string{"dkms"}

// Installation says which package to install, and where.
type Installation struct {
	Tree    *kernels.Tree // whose root has Tools
	File    string        // the host path of a -dkms package or of an archive of dkms
	Package *dkms.Package // what it holds
	Dir     string        // an empty host folder; the caller's to remove
	Log     io.Writer     // what is said
}

// machineName and outName are what Dir holds: the machine, and what comes out of it.
const (
	machineName = "machine"
	outName     = "out"
	maxLog      = 4 << 20 // bytes of what installing says that are looked at
)

// Install installs a package on a private copy of the tree's root, in the sandbox, as a machine that runs the tree's kernel and has its headers. dkms
// builds the modules there; those that it installed are proven.
//
// A *dkms.SkipError says that the package excludes the kernel; a *kbuild.Error is the package's fault. Any other error is not.
func Install(ctx context.Context, in Installation) (*kbuild.Artifact, error) {
	machine, out := filepath.Join(in.Dir, machineName), filepath.Join(in.Dir, outName)
	kind := Deb
	if in.Package.Kind == dkms.Archive {
		kind = Tar
	}
	if err := errors.Join(in.prepare(ctx, machine), os.Mkdir(out, 0o755)); err != nil {
		return nil, fmt.Errorf("make a machine for %s: %w", in.Tree.Target.Release, err)
	}
	file := "/package." + string(kind)
	box := sandbox.Box{Machine: machine, Dir: out, Mounts: append(in.mounts(), kernels.Mount{Host: in.File, Guest: file})}
	said := limited{max: maxLog}
	t := in.Tree.Target
	exit, err := box.Run(ctx, io.MultiWriter(&said, in.Log), "bash", "-c", installScript, "bash", string(kind), file, t.Release, t.Arch, in.Package.Name, in.Package.Version)
	if err != nil {
		return nil, fmt.Errorf("install %s for %s: %w", filepath.Base(in.File), t.Release, err)
	}
	modules, err := in.prove(out)
	if err == nil && len(modules) == 0 {
		err = in.fault(said.kept, exit)
	}
	if err != nil {
		return nil, err
	}
	return &kbuild.Artifact{Modules: modules, Notes: append(slices.Clone(in.Package.Notes), in.how(said.kept))}, nil
}

// prepare copies the root, and gives it what a machine with the kernel has in /lib/modules, but for the modules.
func (in Installation) prepare(ctx context.Context, machine string) error {
	if err := cmp.Or(ctx.Err(), os.CopyFS(machine, os.DirFS(in.Tree.Root.Dir))); err != nil {
		return err
	}
	release := in.Tree.Target.Release
	own := filepath.Join(machine, "usr/lib/modules", release)
	if info, err := os.Lstat(filepath.Join(machine, "lib")); err == nil && info.IsDir() { // as before /usr was merged
		own = filepath.Join(machine, "lib/modules", release)
	}
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
		data, err := kernels.ReadFileIn(in.Tree.Modules, name, maxLog)
		if err == nil {
			err = os.WriteFile(filepath.Join(own, name), data, 0o644)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	boot := filepath.Join(machine, "boot")
	if err := os.MkdirAll(boot, 0o755); err != nil {
		return err
	}
	config, err := os.ReadFile(in.Tree.DotFile)
	return errors.Join(err, os.WriteFile(filepath.Join(boot, "config-"+release), config, 0o644),
		os.Symlink(in.Tree.KDIR, filepath.Join(own, "build")), os.Symlink(in.Tree.KDIR, filepath.Join(own, "source")))
}

// mounts are those of the tree's headers, each folder of /usr/src by itself: what is installed is put beside them.
func (in Installation) mounts() (mounts []kernels.Mount) {
	for _, m := range in.Tree.Mounts {
		switch m.Guest {
		case "/lib/modules":
		case "/usr/src":
			entries, _ := os.ReadDir(m.Host) // an error shows when the headers are missing
			for _, e := range entries {
				if e.IsDir() {
					mounts = append(mounts, kernels.Mount{Host: filepath.Join(m.Host, e.Name()), Guest: "/usr/src/" + e.Name()})
				}
			}
		default:
			mounts = append(mounts, m)
		}
	}
	return mounts
}

// prove reads what was installed, and proves that each is a module for the kernel.
func (in Installation) prove(out string) (modules []kbuild.Module, err error) {
	files, err := filepath.Glob(filepath.Join(out, "modules", "*.ko*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		info, err := os.Lstat(file)
		if err != nil || !info.Mode().IsRegular() {
			return nil, &kbuild.Error{Code: results.CodeKoMissing, Reason: results.Plain(filepath.Base(file)) + " is installed and is no file"}
		}
		data, err := kernels.ReadModule(file)
		if err != nil {
			return nil, &kbuild.Error{Code: results.CodeKoMissing, Reason: fmt.Sprintf("%s cannot be read: %v", results.Plain(filepath.Base(file)), err)}
		}
		name, _, _ := strings.Cut(filepath.Base(file), ".ko")
		plain := filepath.Join(in.Dir, name+".ko")
		if err := os.WriteFile(plain, data, 0o644); err != nil {
			return nil, err
		}
		m, err := kbuild.Inspect(plain)
		if err != nil {
			return nil, &kbuild.Error{Code: results.CodeKoMissing, Reason: results.Plain(name) + ".ko is not a kernel module"}
		}
		if release := in.Tree.Target.Release; m.Release() != release {
			return nil, &kbuild.Error{Code: results.CodeVermagicMismatch, Reason: fmt.Sprintf("%s.ko was built for %s, not for %s", results.Plain(name), results.Plain(m.Release()), release)}
		}
		modules = append(modules, m)
	}
	return kbuild.LoadOrder(modules), nil
}

// excluded is what dkms says of a package that does not want a kernel; before 3.0.4 its exit code says nothing.
var excluded = regexp.MustCompile(`(?m)BUILD_EXCLUSIVE directive which|^\S+: skipped due to BUILD_EXCLUSIVE|(?i)does not match this kernel/arch`)

// fault is why nothing is installed.
func (in Installation) fault(said []byte, exit int) error {
	release := in.Tree.Target.Release
	if excluded.Match(said) {
		return &dkms.SkipError{Condition: fmt.Sprintf("the BUILD_EXCLUSIVE_… of the package, as %s reads them, exclude %s", versionOf(said), release)}
	}
	if err := kbuild.Diagnose(in.Tree, "/var/lib/dkms/"+in.Package.Name+"/"+in.Package.Version+"/build", said, max(exit, 1)); err != nil {
		return err
	}
	var t tail
	_, _ = t.Write(said)
	return &kbuild.Error{Code: results.CodeKoMissing, Reason: "dkms installed nothing: " + t.last(), ExitCode: exit}
}

// how says who built the modules.
func (in Installation) how(said []byte) string {
	return fmt.Sprintf("installed as a package: %s of %s built it", versionOf(said), in.Tree.Target.Suite)
}

var dkmsVersion = regexp.MustCompile(`(?m)^dkms[-: ]+([0-9][\w.+~-]*)$`)

func versionOf(said []byte) string {
	if m := dkmsVersion.FindSubmatch(said); m != nil {
		return "dkms " + string(m[1])
	}
	return "dkms"
}

// limited keeps the beginning of what is said.
type limited struct {
	max  int
	kept []byte
}

func (l *limited) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[:min(len(p), l.max-len(l.kept))]...)
	return len(p), nil
}
