package source

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// kept is what modules are built with, as in Debian's headers packages and Linux scripts/package/install-extmod-build; folders as a whole.
var kept = []string{
	".config", "Makefile", "Kbuild", "Kconfig", "Module.symvers", "localversion",
	"arch/x86/Kbuild", "arch/x86/Makefile", "arch/x86/Makefile_32.cpu", "arch/x86/Makefile.um", "arch/x86/include",
	"include", "scripts", "tools/objtool/objtool", "tools/bpf/resolve_btfids/resolve_btfids",
}

// prune removes everything else from the folder, and what the compiler left in what is kept.
func prune(dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		switch whole, above := isKept(name); {
		case whole && d.IsDir(), above && d.IsDir():
			return nil
		case whole && !isLeftover(name):
			return nil
		}
		if err := os.RemoveAll(file); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// isKept reports whether name is in kept or below one of them, and whether one of them is below it.
func isKept(name string) (whole, above bool) {
	for _, k := range kept {
		whole = whole || name == k || strings.HasPrefix(name, k+"/")
		above = above || strings.HasPrefix(k, name+"/")
	}
	return whole, above
}

// isLeftover are objects and make's notes; scripts/module*.o are of no use either, for modpost is a program by now.
func isLeftover(name string) bool {
	switch path.Ext(name) {
	case ".o", ".a", ".cmd", ".d":
		return true
	}
	return false
}

// treeFile marks a tree as made here, and says of what.
const treeFile = "tree.json"

// finish checks what the host will read, and writes what the tree is.
func (j job) finish(dir string) error {
	if err := plain(filepath.Join(dir, "stage")); err != nil {
		return fmt.Errorf("check what was installed: %w", err)
	}
	for _, name := range []string{"stage/vmlinuz", "stage/config", "stage/lib/modules/" + j.target.Release + "/modules.dep"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Size() == 0 && !strings.HasSuffix(name, ".dep") {
			return fmt.Errorf("the build ended well and left no %s", path.Base(name))
		}
	}
	text, err := json.MarshalIndent(j.target, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, treeFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	title := strings.TrimSuffix(j.target.Release+"+"+j.target.Profile, "+") + ", compiled here\n"
	return os.WriteFile(filepath.Join(dir, store.TitleFile), []byte(title), 0o644)
}

// plain refuses what could lead the host elsewhere: special files, and links but for the modules' one to the build folder, which nobody follows.
func plain(dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 && (d.Name() == "build" || d.Name() == "source") {
			return nil
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return fmt.Errorf("%s is neither file nor folder", d.Name())
		}
		return nil
	})
}

func (j job) open(dir string) (*kernels.Tree, error) {
	config, err := kconfig.Open(filepath.Join(dir, "stage/config"))
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	tree := &kernels.Tree{
		Target:  j.target,
		Dir:     dir,
		Image:   filepath.Join(dir, "stage/vmlinuz"),
		Modules: filepath.Join(dir, "stage/lib/modules", j.target.Release),
		KDIR:    guestKDIR,
		Mounts:  []kernels.Mount{{Host: filepath.Join(dir, "linux"), Guest: guestKDIR}, {Host: filepath.Join(dir, "stage/lib/modules"), Guest: "/lib/modules"}},
		Root:    j.root,
		Config:  config,
		DotFile: filepath.Join(dir, "stage/config"),
		Digest:  "sha256:" + j.digest(),
	}
	// The kernel has no debug information, which would double the time that it takes; modules have, so that a fault in one
	// can be traced to its line.
	tree.Root.Make = slices.Concat(j.root.Make, llvm(j.target), []string{"KCFLAGS=-g"})
	for _, m := range tree.Mounts {
		if j.root.Dir == "" {
			break
		}
		if err := os.MkdirAll(filepath.Join(j.root.Dir, m.Guest), 0o755); err != nil {
			return nil, fmt.Errorf("open tree: %w", err)
		}
	}
	return tree, nil
}
