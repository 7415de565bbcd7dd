// Package dir takes a kernel that was built by hand: any kernel build directory on this host, in place or with O=, its
// modules staged or not. Nothing is written to it, and its modules are built with the host's own compiler.
//
// Whatever keeps such a kernel from being built against or booted is found before anything is, and reported with its cure. The
// package must never know who asks, nor how the kernel is booted; kernels/host finds installed kernels and hands them over
// here as a Kernel.
package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// Source obtains kernels from build directories. It may be used by several goroutines.
type Source struct{ store *store.Store }

// New makes a source that keeps what it finds out about a kernel's modules in store.
func New(st *store.Store) *Source { return &Source{st} }

// Resolve looks at the build directory that sel names. Errors wrap kernels.ErrNoMatch where there is none, and kernels.ErrUnavailable,
// with the cure, where it lacks something: a *kernels.IncompleteError, if its release is known.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (_ kernels.Resolution, err error) {
	defer kernels.Wrap(ctx, &err, "resolve %s", sel)
	k, err := find(sel.Name)
	if err != nil {
		return kernels.Resolution{}, err
	}
	return k.Resolve(ctx)
}

// Fetch opens the tree of a target that Resolve gave. It is an error, which wraps kernels.ErrUnavailable, when the kernel
// was built anew since. Progress is never reported: there is next to nothing to do.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, _ func(kernels.Progress)) (_ *kernels.Tree, err error) {
	defer kernels.Wrap(ctx, &err, "fetch %s", t.Release)
	source, path := t.Origin()
	if source != "dir" {
		return nil, fmt.Errorf("%s is no target of this source", t.Source)
	}
	k, err := find(path)
	if err != nil {
		return nil, err
	}
	return k.Tree(ctx, s.store, t)
}

func find(path string) (Kernel, error) {
	path, err := kernels.Absolute(path)
	if err != nil {
		return Kernel{}, err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Kernel{}, fmt.Errorf("%w: there is no folder %s", kernels.ErrNoMatch, path)
	}
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", kernels.ErrUnavailable, err)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return Kernel{}, fmt.Errorf("%w: %s is no folder; name the one that the kernel was built in", kernels.ErrNoMatch, path)
	}
	k := Kernel{Source: "dir:" + path, KDIR: real}
	k.Release = k.ownRelease()
	config, _ := kconfig.Open(filepath.Join(real, ".config")) // that it cannot be read is said when it is looked at
	a, _ := kernels.ArchOf(config)
	for _, name := range []string{a.Kernel.Image, "vmlinuz", "vmlinux"} {
		if isFile(filepath.Join(real, name)) {
			k.Image = filepath.Join(real, name)
			break
		}
	}
	k.Modules = staged(real, k.Release)
	return k, nil
}

// staged is where make modules_install put the modules below the build directory; "" where they are beside their sources or nowhere.
func staged(dir, release string) string {
	if isFile(filepath.Join(dir, "modules.order")) || release == "" {
		return ""
	}
	for _, pattern := range []string{"lib/modules", "usr/lib/modules", "*/lib/modules"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), pattern, escapeGlob(release)))
		if len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(path string) string { return globEscaper.Replace(path) }

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Kernel is a kernel that lies on this host: where its parts are, links resolved. It is plain data.
type Kernel struct {
	Source  string // of the target: the selector that names this one kernel
	Release string // uname -r; "" where nothing says it yet
	KDIR    string // the build directory
	Image   string // what QEMU boots; "" where there is none
	Modules string // the folder that is /lib/modules/RELEASE; "" where the modules lie in KDIR, beside their sources
	Runs    bool   // it is this machine's running kernel, which need not be booted: its image is of no matter
}

// build is the architecture of this machine, on which the kernel's tools must run.
var build = arch.Host()

type facts struct {
	config  kconfig.Config
	arch    arch.Arch
	version string // X.Y.Z
	files   []kernels.Package
	cc      compiler
	notices []string
}

// Resolve looks at the kernel and gives it as the only target. Errors wrap kernels.ErrUnavailable, with the cure; where
// the release is known they are a *kernels.IncompleteError.
func (k Kernel) Resolve(ctx context.Context) (kernels.Resolution, error) {
	f, err := k.look(ctx)
	if err != nil {
		return kernels.Resolution{}, k.incomplete(ctx, err)
	}
	return kernels.Resolution{Targets: []kernels.Target{k.target(f)}, Notices: f.notices}, nil
}

// incomplete wraps an error of look so that nobody blames a module for it.
func (k Kernel) incomplete(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case k.Release == "":
		return fmt.Errorf("%w: %w", kernels.ErrUnavailable, err)
	}
	return &kernels.IncompleteError{Release: k.Release, Version: PlainVersion(k.Release), Reason: err.Error()}
}

func (k Kernel) target(f facts) kernels.Target {
	return kernels.Target{Release: k.Release, Version: f.version, Arch: f.arch.Name, Source: k.Source, Packages: f.files}
}

// Tree is the kernel as something to build against and to boot. t must be what Resolve gave: a kernel that was built anew
// since is an error that wraps kernels.ErrUnavailable.
func (k Kernel) Tree(ctx context.Context, st *store.Store, t kernels.Target) (*kernels.Tree, error) {
	f, err := k.look(ctx)
	if err != nil {
		return nil, k.incomplete(ctx, err)
	}
	if what := changed(t, k.target(f)); what != "" {
		return nil, fmt.Errorf("%w: %s in %s is not what was planned with: plan anew", kernels.ErrUnavailable, what, k.Source)
	}
	kdir, mounts, err := k.mounts()
	if err != nil {
		return nil, k.incomplete(ctx, err)
	}
	digest, err := k.digest(f)
	var modules string
	if err == nil {
		modules, err = k.depmod(ctx, st, digest)
	}
	if err != nil {
		return nil, err
	}
	return &kernels.Tree{
		Target: t, Dir: k.KDIR, Image: k.Image, Modules: modules, KDIR: kdir, Mounts: mounts,
		Root:   kernels.Root{Digest: f.cc.digest(), Compiler: f.cc.text, Make: f.cc.make},
		Config: f.config, DotFile: filepath.Join(k.KDIR, ".config"), Digest: digest,
	}, nil
}

func changed(want, have kernels.Target) string {
	if want.Release != have.Release {
		return "release " + have.Release
	}
	for i, p := range have.Packages {
		if i >= len(want.Packages) || want.Packages[i].Name != p.Name || want.Packages[i].SHA256 != p.SHA256 {
			return p.Name
		}
	}
	return ""
}

// hashed are the files that distinguish a kernel from another of its release: what boots, how it was configured, what it exports.
func (k Kernel) hashed(a arch.Arch) ([]kernels.Package, error) {
	var files []kernels.Package
	for _, path := range []string{filepath.Join(k.KDIR, ".config"), filepath.Join(k.KDIR, "Module.symvers"), k.Image} {
		sum, err := kernels.FileSHA256(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // look has said so where it matters
		}
		if err != nil {
			return nil, err
		}
		files = append(files, kernels.Package{Name: filepath.Base(path), Version: k.Release, Arch: a.Name, SHA256: sum})
	}
	return files, nil
}

// headerFolders hold what a module is compiled with besides the configuration.
func headerFolders(a arch.Arch) []string {
	return []string{"include", filepath.Join("arch", a.Kbuild, "include"), "scripts"}
}

// digest is of everything that matters to a build and a boot. Headers and modules count by their size and time alone: there
// are thousands, and whoever changes one leaves a mark on it.
func (k Kernel) digest(f facts) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, "v1", k.Source, k.KDIR, k.Modules)
	for _, p := range f.files {
		fmt.Fprintln(h, p.Name, p.SHA256)
	}
	seen := map[string]bool{}
	sources, err := k.sources()
	if err != nil {
		return "", err
	}
	for _, dir := range append([]string{k.KDIR}, sources...) {
		for _, name := range headerFolders(f.arch) {
			if err := stampFolder(h, filepath.Join(dir, name), seen); err != nil {
				return "", err
			}
		}
	}
	err = k.eachModule(func(path string) error {
		info, err := os.Stat(path)
		if err == nil {
			fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil // one that is missing is reported when it is needed
	})
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), err
}

func stampFolder(w io.Writer, dir string, seen map[string]bool) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) || seen[dir] {
		return nil
	}
	if err != nil {
		return err
	}
	seen[dir] = true
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link that leads nowhere
		}
		if err == nil {
			fmt.Fprintln(w, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
}
