// Package dir takes a kernel that was built by hand: any kernel build directory on this host, in place or with O=, its
// modules staged or not. Nothing is written to it, and its modules are built with the host's own compiler.
//
// Whatever keeps such a kernel from being built against or booted is found before anything is, and reported with its cure. The
// package must never know who asks, nor how the kernel is booted; kernels/host finds installed kernels and hands them over
// here as a Kernel.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Source obtains kernels from build directories. It may be used by several goroutines.
type Source struct{ store *store.Store }

// New makes a source that keeps what it finds out about a kernel's modules in store.
func New(st *store.Store) *Source { return &Source{st} }

// Resolve looks at the build directory that sel names. Errors wrap kernels.ErrNoMatch where there is none, and
// kernels.ErrUnavailable, with the cure, where something is missing in it; where its release is known, a
// *kernels.IncompleteError.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	k, err := find(sel.Name)
	var res kernels.Resolution
	if err == nil {
		res, err = k.Resolve(ctx)
	}
	if err != nil {
		return kernels.Resolution{}, fmt.Errorf("resolve %s: %w", sel, err)
	}
	return res, nil
}

// Fetch opens the tree of a target that Resolve gave. It is an error, which wraps kernels.ErrUnavailable, when the kernel
// was built anew since. Progress is never reported: there is next to nothing to do.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, _ func(kernels.Progress)) (*kernels.Tree, error) {
	source, path := t.Origin()
	if source != "dir" {
		return nil, fmt.Errorf("fetch %s: %s is no target of this source", t.Release, t.Source)
	}
	k, err := find(path)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", t.Release, err)
	}
	return k.Tree(ctx, s.store, t)
}

// find finds the parts of a kernel below path, which may begin with ~/.
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
	for _, name := range []string{"arch/x86/boot/bzImage", "vmlinuz", "vmlinux"} {
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
