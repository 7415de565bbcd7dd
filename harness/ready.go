package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// maker makes what guests of one architecture run, their image and suites, or finds it: in Spec.Ready, in this binary, in the store. Only what
// is nowhere is compiled, which takes Go. The folder of an entry is named by a digest of all that its content depends on.
type maker struct {
	h    *Harness
	spec Spec
	arch string // of the guests, in uname -m's word
	work string // folder for what is temporary
}

func (m maker) row() arch.Arch {
	a, _ := arch.OfMachine(m.arch)
	return a
}

// The kinds of the store that guests' files are in, and the one file of an entry.
const (
	baseKind, baseFile     = "bases", "base.cpio"
	suiteKind, suiteBinary = "suites", "suite.test"
)

// broughtImage is the digest of the guest image of an architecture that s brings along, and that may be a stranger's; empty for our own.
func (s Spec) broughtImage(machine string) string {
	for _, r := range s.Ready {
		if r.Suite == "" && r.Arch == machine {
			return r.SHA256
		}
	}
	return ""
}

// broughtImages are those of all architectures.
func (s Spec) broughtImages() string {
	var all []string
	for _, a := range arch.All() {
		if sum := s.broughtImage(a.Name); sum != "" {
			all = append(all, sum)
		}
	}
	return strings.Join(all, " ")
}

// brings reports whether s brings a suite of that name along, for whatever architecture.
func (s Spec) brings(suite string) bool { return suite != "" && s.archsOf(suite) != "" }

// archsOf lists the architectures that s brings a suite along for.
func (s Spec) archsOf(suite string) string {
	var archs []string
	for _, r := range s.Ready {
		if r.Suite == suite {
			archs = append(archs, r.Arch)
		}
	}
	return strings.Join(archs, ", ")
}

// ready finds what need not be compiled of a suite; of the guests' image, where suite is empty. What this binary carries
// does not count where the user names a source to compile from.
func (m maker) ready(suite string) (r initramfs.Ready, ok bool, err error) {
	all := m.spec.Ready
	if os.Getenv(initramfs.EnvSource) == "" {
		own, err := m.h.carried()
		if err != nil {
			return r, false, err
		}
		all = slices.Concat(all, own)
	}
	i := slices.IndexFunc(all, func(r initramfs.Ready) bool { return r.Suite == suite && r.Arch == m.arch })
	if i < 0 {
		return r, false, nil
	}
	return all[i], true, nil
}

// unpack puts r into the store as file of an entry of kind, and returns its path.
func (m maker) unpack(ctx context.Context, r initramfs.Ready, kind, file string) (string, error) {
	dir, _, err := m.h.store.Fill(ctx, kind, store.Digest("ready", r.SHA256), func(dir string) error {
		return errors.Join(r.Write(filepath.Join(dir, file)), store.SetTitle(dir, r.What()))
	})
	return filepath.Join(dir, file), err
}

// image returns the path of the image that all guests share.
func (m maker) image(ctx context.Context) (string, error) {
	if r, ok, err := m.ready(""); err != nil || ok {
		if err != nil {
			return "", err
		}
		return m.unpack(ctx, r, baseKind, baseFile)
	}
	source, err := initramfs.FindSource()
	if err != nil {
		return "", err
	}
	digest, err := m.h.baseDigest(ctx, source, m.arch)
	if err != nil {
		return "", err
	}
	dir, _, err := m.h.store.Fill(ctx, baseKind, strings.TrimPrefix(digest, "sha256:"), func(dir string) error {
		m.h.Notice("building the " + initramfs.Ready{Arch: m.arch}.What() + " (once; under a minute)")
		temp, err := os.MkdirTemp(m.work, "base-")
		if err != nil {
			return err
		}
		var log strings.Builder
		err = m.h.base(ctx, initramfs.Options{Arch: m.arch, Source: source, Out: filepath.Join(dir, baseFile), Temp: temp, Log: &log})
		if err != nil {
			return fmt.Errorf("build guest image: %w", err)
		}
		return store.SetTitle(dir, initramfs.Ready{Arch: m.arch}.What())
	})
	return filepath.Join(dir, baseFile), err
}

// MakeReady makes what guests of an architecture run, or finds it: their image, and suites, which may then be
// taken elsewhere. The files are the store's, or lie in the folder work, which must be there. A *UsageError says that a
// suite does not compile, or that there is no Go to compile it with.
func (h *Harness) MakeReady(ctx context.Context, spec Spec, machine string, suites []Suite, work string) ([]initramfs.Ready, error) {
	m := maker{h, spec, machine, work}
	image, err := m.image(ctx)
	if err != nil {
		return nil, err
	}
	paths, err := m.suites(ctx, suites)
	if err != nil {
		return nil, err
	}
	var all []initramfs.Ready
	for i, path := range append([]string{image}, paths...) {
		r := initramfs.Ready{Arch: machine, Path: path}
		if i > 0 {
			r.Suite = suites[i-1].Name
		}
		info, err := os.Stat(path)
		if err == nil {
			r.Size = info.Size()
			r.SHA256, err = kernels.FileSHA256(path)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.What(), err)
		}
		all = append(all, r)
	}
	return all, nil
}
