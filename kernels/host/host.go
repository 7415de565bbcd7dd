// Package host takes the kernels that are installed on this host, the running one first of all: image and modules from where
// the distribution put them, headers by the link that it left there, and its own compiler.
//
// What is missing is named as the package that brings it on this distribution. The package only finds the parts; what makes a
// kernel of them is kernels/dir. It must never know what is built or booted.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dir"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Config says where kernels are installed. The zero value is this host.
type Config struct {
	Root    string // where /boot and /lib/modules are looked for; "" for /
	Release string // of the running kernel; "" to ask it
	Here    bool   // the running kernel alone, as it runs: for modules that are loaded into it
}

// Source obtains installed kernels. It may be used by several goroutines.
type Source struct {
	store *store.Store
	cfg   Config
}

// New makes a source that keeps what it finds out about a kernel's modules in store.
func New(st *store.Store, cfg Config) *Source {
	cfg.Root = cmp.Or(cfg.Root, "/")
	return &Source{st, cfg}
}

// Resolve finds the installed kernel that sel names, the running one where it names none. Errors wrap kernels.ErrNoMatch where
// it is not installed, and are a *kernels.IncompleteError, with the cure, where a part of it is missing or may not be read.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (res kernels.Resolution, err error) {
	defer kernels.Wrap(ctx, &err, "resolve %s", sel)
	release := sel.Name
	if release == "" {
		if release, err = s.running(); err != nil {
			return res, err
		}
	}
	k, err := s.find(release)
	if err != nil {
		return res, err
	}
	res, err = k.Resolve(ctx)
	for i := range res.Targets {
		res.Targets[i].Flavour = flavour(release)
	}
	return res, err
}

// Fetch opens the tree of a target that Resolve gave; see dir.Kernel.Tree.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, _ func(kernels.Progress)) (_ *kernels.Tree, err error) {
	defer kernels.Wrap(ctx, &err, "fetch %s", t.Release)
	source, release := t.Origin()
	if s.cfg.Here {
		release = t.Release
	}
	if source != s.name() {
		return nil, fmt.Errorf("%s is no target of this source", t.Source)
	}
	k, err := s.find(release)
	if err != nil {
		return nil, err
	}
	return k.Tree(ctx, s.store, t)
}

// name is the source that targets of s name.
func (s *Source) name() string {
	if s.cfg.Here {
		return kernels.Here
	}
	return "host"
}

func (s *Source) running() (string, error) {
	if s.cfg.Release != "" {
		return s.cfg.Release, nil
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("%w: ask the running kernel for its release: %w", kernels.ErrUnavailable, err)
	}
	return unix.ByteSliceToString(name.Release[:]), nil
}

func (s *Source) find(release string) (dir.Kernel, error) {
	if strings.ContainsRune(release, '/') || release == "." || release == ".." {
		return dir.Kernel{}, fmt.Errorf("%w: %q is no release; name one as uname -r does: %s", kernels.ErrNoMatch, release, s.others())
	}
	k := dir.Kernel{Source: "host:" + release, Release: release, Runs: s.cfg.Here}
	var err error
	if s.cfg.Here {
		k.Source = kernels.Here
	} else if k.Image, err = s.image(release); err != nil {
		return k, s.incomplete(release, err)
	}
	for _, name := range []string{"lib/modules", "usr/lib/modules"} { // on hosts with a merged /usr and without
		path := filepath.Join(s.cfg.Root, name, release)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			k.Modules = path
			break
		}
	}
	switch {
	case k.Image == "" && k.Modules == "":
		why := ""
		if running, err := s.running(); err == nil && running == release {
			why = ", though it runs: it was booted from outside, as under a container or a microVM"
		}
		return k, fmt.Errorf("%w: %s is not installed here%s; %s", kernels.ErrNoMatch, release, why, s.others())
	case k.Image == "" && !s.cfg.Here:
		return k, s.incomplete(release, fmt.Errorf("its image is in neither /boot nor %s: %s", k.Modules, s.distribution().install(image, release)))
	case k.Modules == "":
		return k, s.incomplete(release, fmt.Errorf("its modules are not in /lib/modules: %s", s.distribution().install(image, release)))
	}
	if k.KDIR, err = s.headers(k.Modules, release); err != nil {
		return k, s.incomplete(release, err)
	}
	return k, nil
}

func (s *Source) incomplete(release string, err error) error {
	return &kernels.IncompleteError{Release: release, Version: dir.PlainVersion(release), Reason: fmt.Sprintf("kernel %s: %v", release, err)}
}

// image is the first image of release that may be read; "" where there is none.
func (s *Source) image(release string) (string, error) {
	var locked string
	for _, name := range []string{"boot/vmlinuz-" + release, "lib/modules/" + release + "/vmlinuz", "usr/lib/modules/" + release + "/vmlinuz", "boot/vmlinux-" + release} {
		path := filepath.Join(s.cfg.Root, name)
		f, err := os.Open(path)
		if err == nil {
			f.Close()
			return path, nil
		}
		if errors.Is(err, fs.ErrPermission) && locked == "" {
			locked = path
		}
	}
	if locked != "" {
		return "", fmt.Errorf("%s may not be read by you: sudo chmod a+r %[1]s (dpkg-statoverride --add root root 644 %[1]s keeps it so)", locked)
	}
	return "", nil
}

// headers is the build directory of a kernel, by the link that its headers leave beside its modules.
func (s *Source) headers(modules, release string) (string, error) {
	for _, link := range []string{filepath.Join(modules, "build"), filepath.Join(s.cfg.Root, "usr/src/linux-headers-"+release), filepath.Join(s.cfg.Root, "usr/src/kernels", release)} {
		kdir, err := filepath.EvalSymlinks(link)
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(kdir, "Makefile")); err == nil {
			return kdir, nil
		}
	}
	return "", fmt.Errorf("its headers are not installed (%s leads nowhere): %s", filepath.Join(modules, "build"), s.distribution().install(headers, release))
}

// Installed are the releases that are there in whole or in part, sorted.
func (s *Source) Installed() []string {
	var found []string
	for _, pattern := range []string{"boot/vmlinuz-*", "boot/vmlinux-*", "lib/modules/*", "usr/lib/modules/*"} {
		paths, _ := filepath.Glob(filepath.Join(s.cfg.Root, pattern))
		for _, path := range paths {
			release := strings.TrimPrefix(strings.TrimPrefix(filepath.Base(path), "vmlinuz-"), "vmlinux-")
			if release[0] >= '0' && release[0] <= '9' {
				found = append(found, release)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (s *Source) others() string {
	installed := s.Installed()
	if len(installed) == 0 {
		return "no kernel is: " + s.distribution().install(image, "")
	}
	return "installed: " + strings.Join(installed, " ")
}
