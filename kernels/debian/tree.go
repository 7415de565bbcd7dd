package debian

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

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// layout is where things are in an unpacked tree, as it is kept in tree.json; paths are relative to the tree.
//
// A tree is laid out as its packages are, with two kinds made one: until 7.0 the image and its config are in /boot and the
// modules in /lib/modules or /usr/lib/modules, from then on all are in /usr/lib/modules/RELEASE.
type layout struct {
	Image  string `json:"image"`
	Config string `json:"config"`
	// Guests are the folders that are mounted into the root: path in the tree to path in the root.
	Guests []guest `json:"guests"`
	// Target is what the tree is of, for the day when the archive no longer says it; zero in trees from before that was kept.
	Target kernels.Target `json:"target,omitzero"`
}

type guest struct {
	Host  string `json:"host"`
	Guest string `json:"guest"`
}

const (
	layoutFile = "tree.json"
	modulesDir = "usr/lib/modules"
)

// arrange makes a tree of what the packages unpacked into dir: one place for modules, depmod's files, no documentation.
func arrange(ctx context.Context, dir string, root kernels.Root, t kernels.Target) error {
	if err := mergeModules(dir); err != nil {
		return err
	}
	if err := keepOnly(dir, "boot", "usr"); err != nil {
		return err
	}
	if err := keepOnly(filepath.Join(dir, "usr"), "src", "lib"); err != nil {
		return err
	}
	l, err := layoutOf(dir, t)
	if err != nil {
		return err
	}
	l.Target = t
	if err := depmod(ctx, dir, root, t.Release); err != nil {
		return err
	}
	return errors.Join(store.SetTitle(dir, t.Release), store.WriteJSON(filepath.Join(dir, layoutFile), l))
}

// mergeModules moves /lib/modules to /usr/lib/modules, where it is on every system with a merged /usr.
func mergeModules(dir string) error {
	from, to := filepath.Join(dir, "lib/modules"), filepath.Join(dir, modulesDir)
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(from, to))
}

func keepOnly(dir string, names ...string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func layoutOf(dir string, t kernels.Target) (layout, error) {
	own := filepath.Join(modulesDir, t.Release)
	l := layout{
		Image:  firstIn(dir, "boot/vmlinuz-"+t.Release, "boot/vmlinux-"+t.Release, own+"/vmlinuz", own+"/vmlinux"),
		Config: firstIn(dir, "boot/config-"+t.Release, own+"/config", "usr/src/linux-headers-"+t.Release+"/.config"),
		Guests: []guest{{"usr/src", "/usr/src"}, {modulesDir, "/lib/modules"}},
	}
	if firstIn(dir, "usr/src/linux-headers-"+t.Release+"/Makefile") == "" || l.Image == "" || l.Config == "" {
		return l, fmt.Errorf("the packages of %s hold no image, no config or no headers where they are expected", t.Release)
	}
	tools, err := filepath.Glob(filepath.Join(dir, "usr/lib/linux-kbuild-*"))
	for _, path := range tools {
		name := filepath.Join("usr/lib", filepath.Base(path))
		l.Guests = append(l.Guests, guest{name, "/" + name})
	}
	return l, err
}

// firstIn is the first of paths that is a file below dir, else "".
func firstIn(dir string, paths ...string) string {
	for _, p := range paths {
		if info, err := os.Stat(filepath.Join(dir, p)); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// depmod writes modules.dep and the like, which the packages do not hold, with the root's own depmod: the host may have none.
func depmod(ctx context.Context, dir string, root kernels.Root, release string) error {
	inside := filepath.Join("/tmp/modules/lib/modules", release)
	_, err := tools.Run(ctx, inRoot(ctx, root.Dir,
		[]string{"--bind", filepath.Join(dir, modulesDir, release), inside},
		"depmod", "-b", "/tmp/modules", release))
	if err == nil && firstIn(dir, filepath.Join(modulesDir, release, "modules.dep")) == "" {
		err = errors.New("depmod wrote no modules.dep")
	}
	return err
}

// errNoPlace says that a root lacks a folder to mount a tree on, and that none may be made in it.
var errNoPlace = errors.New("the root has no place for the tree")

// openTree opens the tree in dir. It makes the folders that the tree is mounted on in the root, which is read-only to whoever
// builds there: one root serves many trees, and which ones is not known when it is made. In a shared root nothing is made.
func openTree(dir string, root kernels.Root, t kernels.Target, shared bool) (*kernels.Tree, error) {
	var l layout
	if err := store.ReadJSON(filepath.Join(dir, layoutFile), &l); err != nil {
		return nil, fmt.Errorf("open tree %s: %w", dir, err)
	}
	config, err := kconfig.Open(filepath.Join(dir, l.Config))
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	root.Make = kernels.Cross(t.Machine())
	tree := &kernels.Tree{
		Target:  t,
		Dir:     dir,
		Image:   filepath.Join(dir, l.Image),
		Modules: filepath.Join(dir, modulesDir, t.Release),
		KDIR:    "/usr/src/linux-headers-" + t.Release,
		Root:    root,
		Config:  config,
		DotFile: filepath.Join(dir, l.Config),
		Digest:  digest(key(t)),
	}
	for _, g := range l.Guests {
		tree.Mounts = append(tree.Mounts, kernels.Mount{Host: filepath.Join(dir, g.Host), Guest: g.Guest})
		place := filepath.Join(root.Dir, g.Guest)
		if info, err := os.Stat(place); err == nil && info.IsDir() {
			continue
		}
		if shared {
			return nil, errNoPlace
		}
		if err := os.MkdirAll(place, 0o755); err != nil {
			return nil, fmt.Errorf("open tree: %w", err)
		}
	}
	return tree, nil
}

// Fetch returns the tree of a target that Resolve gave, with its root, from the store if they are there. report may be nil, and is called
// by one goroutine at a time. Errors wrap kernels.ErrUnavailable, unless ctx ended.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (_ *kernels.Tree, err error) {
	defer kernels.Wrap(ctx, &err, "fetch %s", t.Release)
	if report == nil {
		report = func(kernels.Progress) {}
	}
	if source, _ := t.Origin(); source != "debian" || len(t.Packages) == 0 {
		return nil, fmt.Errorf("%s is no target of this source", t.Source)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	st := s.stateOf(t)
	root, err := s.root(ctx, st, t, report)
	if err != nil {
		return nil, err
	}
	dir, _, err := s.store.Fill(ctx, "trees", TreeID(t), func(dir string) error {
		if s.cfg.Offline {
			return errors.New("it is not in the store, and the network is not to be used")
		}
		return st.makeTree(ctx, dir, root, t, report)
	})
	if err != nil {
		return nil, err
	}
	tree, err := openTree(dir, root, t, s.store.Shares(root.Dir))
	if errors.Is(err, errNoPlace) {
		own := s.own()
		if root, err = own.root(ctx, own.stateOf(t), t, report); err == nil {
			tree, err = openTree(dir, root, t, false)
		}
	}
	return tree, err
}

// TreeID is what the tree of a target of this source is called in the store, among the trees.
func TreeID(t kernels.Target) string { return t.Release + "-" + short(key(t)) }

func (st *state) makeTree(ctx context.Context, dir string, root kernels.Root, t kernels.Target, report func(kernels.Progress)) error {
	files, err := st.download(ctx, "trees", TreeID(t), t.Release, t.Packages, report)
	if err != nil {
		return err
	}
	p := kernels.Progress{What: "unpack " + t.Release, Total: total(t.Packages), Unit: kernels.Bytes}
	for i, file := range files {
		report(p)
		if err := unpack(ctx, file, dir, t.Packages[i]); err != nil {
			return err
		}
		p.Done += t.Packages[i].Size
	}
	report(p)
	return arrange(ctx, dir, root, t)
}

// unpack puts what is in the package's file, whose digest was checked, below dir.
func unpack(ctx context.Context, file, dir string, p kernels.Package) error {
	_, err := tools.Run(ctx, tools.Command(ctx, "dpkg-deb", "-x", file, dir))
	if failed, ok := errors.AsType[*kernels.ToolError](err); ok && !store.IsFull(err) {
		_ = os.Remove(file) // to fetch it again is of no use, and to keep it neither
		failed.Output = strings.ReplaceAll(failed.Output, file, p.Name)
		return fmt.Errorf("unpack %s %s, which is the file that the archive signed: %w", p.Name, p.Version, err)
	}
	return err
}

func total(pkgs []kernels.Package) (bytes int64) {
	for _, p := range pkgs {
		bytes += p.Size
	}
	return bytes
}
