package harness

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Inputs are what a run of a Spec reads of this machine besides kernels and tools. Paths are absolute.
type Inputs struct {
	Digest  string   // of all of it, and of what was asked: two runs with the same digest build and test the same
	Folders []string // with all that lies below them
	Files   []string // FOLDER/* are all files of a folder, without its folders
	Leave   []string // what lies in Folders and is read by nobody: the folder of results, the store
}

// Inputs looks at what spec names. It builds and resolves nothing, and may be called while a run goes on. Errors are those of Plan.
func (h *Harness) Inputs(ctx context.Context, spec Spec) (Inputs, error) {
	in, err := h.openPackages(ctx, spec)
	if err != nil {
		return Inputs{}, err
	}
	defer in.close()
	p := &Plan{Spec: spec.WithDefaults(), in: in}
	if p.Module, err = in.about(ctx, spec.Bundle); err == nil {
		p.Suites, err = findSuites(spec)
	}
	if err != nil {
		return Inputs{}, &UsageError{err}
	}
	var found Inputs
	found.packages(p, h.store.Dir())
	sums, err := found.suites(ctx, p)
	if err != nil {
		return Inputs{}, err
	}
	data, err := json.Marshal([]any{p.Module.SourceDigest, p.decided(), p.Spec.decided(classPlan), sums})
	if err != nil {
		return Inputs{}, err
	}
	found.Digest = "sha256:" + store.Digest(string(data))
	for _, list := range []*[]string{&found.Folders, &found.Files, &found.Leave} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return found, nil
}

// packages adds where the module, and what it builds upon, lie.
func (f *Inputs) packages(p *Plan, store string) {
	for _, file := range slices.Concat(p.Spec.Prebuilt, p.Spec.Depends, []string{p.Spec.Module}) {
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			f.Files = append(f.Files, absolute(file))
		}
	}
	for _, pkg := range p.in.opened {
		if pkg.Kind == dkms.Folder {
			f.source(pkg.Source, pkg.Files)
		}
	}
	if p.Spec.firmwareDir() {
		f.Folders = append(f.Folders, absolute(p.Spec.Firmware))
	}
	if info, err := os.Stat(p.Spec.Module); err == nil && info.IsDir() {
		for _, name := range []string{ConfigName, LockName} {
			f.Files = append(f.Files, absolute(filepath.Join(p.Spec.Module, name)))
		}
		for _, name := range notSource(p.Spec, store) {
			f.Leave = append(f.Leave, absolute(filepath.Join(p.Spec.Module, name)))
		}
	}
}

// source adds a folder of a package, with what belongs to it elsewhere, and what git notes of a commit or a checkout.
func (f *Inputs) source(dir string, s kbuild.Source) {
	dir = absolute(dir)
	f.Folders = append(f.Folders, dir)
	for _, part := range s.Parts {
		path := filepath.Join(absolute(s.Top), part)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			f.Folders = append(f.Folders, path)
		} else {
			f.Files = append(f.Files, path)
		}
	}
	for at := dir; ; at = filepath.Dir(at) {
		if info, err := os.Stat(filepath.Join(at, ".git")); err == nil && info.IsDir() {
			f.Files = append(f.Files, filepath.Join(at, ".git", "HEAD"), filepath.Join(at, ".git", "index"))
		} else if filepath.Dir(at) != at {
			continue
		}
		return
	}
}

// suites adds the folders of suites that have a source here, and returns what digests of what lies in them.
func (f *Inputs) suites(ctx context.Context, p *Plan) (sums []string, err error) {
	var folders []string
	for _, s := range p.Suites {
		if s.Dir == "" {
			continue
		}
		folder := s.Dir
		if all := absolute(filepath.Join(p.Spec.Module, SuitesDir)); strings.HasPrefix(folder, all+"/") { // what they share lies beside them
			folder = all
		}
		folders = append(folders, folder)
		if root, ok := goModule(s.Dir); ok {
			f.Files = append(f.Files, filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum"))
		}
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		sum, err := kbuild.Source{Top: folder}.Digest(ctx)
		if err != nil {
			return nil, asUsage(err, folder)
		}
		sums = append(sums, folder, sum)
	}
	f.Folders = append(f.Folders, folders...)
	for _, file := range f.Files {
		if base := filepath.Base(file); base == "go.mod" || base == "go.sum" {
			data, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			sums = append(sums, store.Digest(file, string(data)))
		}
	}
	return sums, nil
}

// goModule is the folder of the go.mod that dir belongs to.
func goModule(dir string) (root string, ok bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, true
		}
		if filepath.Dir(at) == at {
			return "", false
		}
	}
}
