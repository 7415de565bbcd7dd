package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// What lies where in a bundle, beside ConfigName and LockName.
const (
	bundledSource   = "source"   // the module's; in a folder of the name that its own has
	bundledDepends  = "depends"  // likewise, of the packages that it builds upon
	bundledSuites   = "suites"   // SUITE/ARCH: test binaries
	bundledImages   = "base"     // ARCH: what guests boot
	bundledFirmware = "firmware" // as /lib/firmware has it
)

// BundledFirmware is the folder of firmware in a bundle, as its configuration names it.
const BundledFirmware = bundledFirmware

// bundleBody is what the manifest of a bundle says besides its files.
type bundleBody struct {
	Protocol string           `json:"protocol"` // that the guests speak, see wire.Protocol
	Module   results.Module   `json:"module"`
	Packages []bundledPackage `json:"packages"` // the module, and what it builds upon
	Guests   []guestFile      `json:"guests"`
}

// guestFile is one of the files that guests run.
type guestFile struct {
	Suite string `json:"suite,omitempty"` // empty: the image
	Arch  string `json:"arch"`            // in uname -m's spelling
	Name  string `json:"name"`            // in the bundle
}

// BundleRequest says what goes into a bundle besides the module of a Spec, its suites, its firmware and what it builds upon.
type BundleRequest struct {
	Out    string // the file
	Config []byte // modmatrix.toml
	Lock   []byte // modmatrix.lock; nil: none
	// Archs are those of testers' machines, as uname -m says them; empty: this machine's.
	Archs []string
}

// Bundled is what Bundle wrote.
type Bundled struct {
	Path    string         `json:"path"`
	SHA256  string         `json:"sha256"`
	Bytes   int64          `json:"bytes"`
	Module  results.Module `json:"module"`
	Suites  []string       `json:"suites"`
	Archs   []string       `json:"archs"` // in uname -m's spelling
	Parts   []BundledPart  `json:"parts"`
	Notices []string       `json:"notices,omitempty"`
}

// BundledPart is one of the folders of a bundle, or one of the files at its top.
type BundledPart struct {
	Name  string `json:"name"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"` // unpacked
}

// Bundle writes all that a tester needs of a Spec beside modmatrix itself into one file: the source as a build would copy it, the suites
// and the guests' image ready to run. It resolves no kernel and builds no module. The same Spec gives the same bytes, wherever its files lie.
func (h *Harness) Bundle(ctx context.Context, spec Spec, r BundleRequest) (*Bundled, error) {
	if spec.Bundle != nil {
		return nil, &UsageError{fmt.Errorf("%s is a bundle already", spec.Module)}
	}
	p, err := h.PlanModule(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	work, release, err := h.store.WorkDir()
	if err != nil {
		return nil, err
	}
	defer release()
	b := bundler{h: h, plan: p, archs: r.Archs, body: bundleBody{Protocol: wire.Protocol(), Module: p.Module}, notes: slices.Clone(p.in.module.Notes)}
	if err := b.gather(ctx, work); err != nil {
		return nil, h.store.WithCure(err, "")
	}
	b.add(ConfigName, r.Config)
	if r.Lock != nil {
		b.add(LockName, r.Lock)
	}
	return b.write(r.Out)
}

// bundler gathers the files of a bundle.
type bundler struct {
	h     *Harness
	plan  *Plan
	archs []string
	body  bundleBody
	files []evidence.File
	notes []string
}

func (b *bundler) add(name string, data []byte) {
	b.files = append(b.files, evidence.File{Name: name, Data: data})
}

func (b *bundler) gather(ctx context.Context, work string) error {
	for i := range b.plan.in.opened {
		if err := b.source(ctx, i, filepath.Join(work, fmt.Sprint("package-", i))); err != nil {
			return err
		}
	}
	for _, f := range b.plan.in.fw.files {
		b.files = append(b.files, evidence.File{Name: path.Join(bundledFirmware, f.name), Host: filepath.Join(b.plan.in.fw.dir, f.name)})
	}
	made := filepath.Join(work, "guests")
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if len(b.archs) == 0 {
		b.archs = []string{vm.HostArch()}
	}
	for _, machine := range b.archs {
		ready, err := b.h.MakeReady(ctx, b.plan.Spec, machine, b.plan.inGuests(), made)
		if err != nil {
			return err
		}
		for _, r := range ready {
			b.guest(r)
		}
	}
	return nil
}

// source copies the package as a build would, and adds the copy: the module, or one that it builds upon.
func (b *bundler) source(ctx context.Context, i int, to string) error {
	pkg := b.plan.in.opened[i]
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	copied, notes, err := pkg.Copy(ctx, to)
	if err != nil {
		return asUsage(err, b.plan.Spec.Module)
	}
	packed := bundledPackage{Dir: bundledSource, Copied: copied}
	if i > 0 {
		packed.Dir = path.Join(bundledDepends, fmt.Sprint(i))
	}
	if copied.Folder == "" {
		packed.Dir = path.Join(packed.Dir, filepath.Base(pkg.Source))
	}
	files, err := packed.list(to)
	if err != nil {
		return fmt.Errorf("read copy of the source: %w", err)
	}
	b.files, b.notes = append(b.files, files...), append(b.notes, notes...)
	b.body.Packages = append(b.body.Packages, packed)
	return nil
}

// list lists what the copy in the folder dir holds, and notes its links.
func (p *bundledPackage) list(dir string) (files []evidence.File, err error) {
	return files, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(filepath.Join(dir, name))
			p.Links = append(p.Links, bundledLink{name, target})
			return err
		}
		info, err := d.Info()
		if err == nil {
			files = append(files, evidence.File{Name: path.Join(p.Dir, name), Host: filepath.Join(dir, name), Exec: info.Mode()&0o111 != 0})
		}
		return err
	})
}

func (b *bundler) guest(r initramfs.Ready) {
	name := path.Join(bundledImages, r.Arch)
	if r.Suite != "" {
		name = path.Join(bundledSuites, r.Suite, r.Arch)
	}
	b.files = append(b.files, evidence.File{Name: name, Host: r.Path, Exec: r.Suite != ""})
	b.body.Guests = append(b.body.Guests, guestFile{r.Suite, r.Arch, name})
}

func (b *bundler) write(out string) (*Bundled, error) {
	body, err := json.Marshal(b.body)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	m, sum, err := evidence.WriteFile(out, evidence.Manifest{Schema: evidence.BundleSchema, Tool: b.h.tool, Body: body}, b.files)
	if err != nil {
		return nil, b.h.store.WithCure(err, "")
	}
	info, err := os.Stat(out)
	if err != nil {
		return nil, err
	}
	done := &Bundled{Path: out, SHA256: sum, Bytes: info.Size(), Module: b.plan.Module, Suites: listOf(b.plan.Suites, func(s Suite) string { return s.Name }), Notices: b.notes}
	for _, g := range b.body.Guests {
		if !slices.Contains(done.Archs, g.Arch) {
			done.Archs = append(done.Archs, g.Arch)
		}
	}
	for _, e := range m.Files {
		done.count(e)
	}
	return done, nil
}

// count adds a file to the part that it is of; files are sorted.
func (d *Bundled) count(e evidence.Entry) {
	top, _, _ := strings.Cut(e.Name, "/")
	if n := len(d.Parts); n == 0 || d.Parts[n-1].Name != top {
		d.Parts = append(d.Parts, BundledPart{Name: top})
	}
	part := &d.Parts[len(d.Parts)-1]
	part.Files++
	part.Bytes += e.Size
}
