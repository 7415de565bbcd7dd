package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// kept is what modules are built with, as in Debian's headers packages and Linux scripts/package/install-extmod-build; folders as a whole.
var kept = []string{
	".config", "Makefile", "Kbuild", "Kconfig", "Module.symvers", "localversion",
	"include", "scripts", "tools/objtool/objtool", "tools/bpf/resolve_btfids/resolve_btfids",
}

// keptOfArch are those in the folder of an architecture. Modules of some link with an object of the kernel's (arch/powerpc/Makefile,
// arch/s390/Makefile, KBUILD_LDFLAGS_MODULE).
var keptOfArch = []string{"Kbuild", "Makefile", "Makefile_32.cpu", "Makefile.um", "Makefile.postlink", "include", "kernel/module.lds", "tools",
	"lib/crtsavres.o", "lib/expoline.o", "lib/expoline/expoline.o"}

func keptFor(a arch.Arch) []string {
	all := slices.Clone(kept)
	for _, name := range keptOfArch {
		all = append(all, path.Join("arch", a.Kbuild, name))
	}
	return all
}

func prune(dir string, a arch.Arch) error {
	kept := keptFor(a)
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		switch whole, above := isKept(kept, name); {
		case whole && d.IsDir(), above && d.IsDir():
			return nil
		case whole && (!slices.Contains(leftovers, path.Ext(name)) || slices.Contains(kept, name)):
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

// isKept reports whether name is one of kept or below one of them, and whether one of them is below it.
func isKept(kept []string, name string) (whole, above bool) {
	for _, k := range kept {
		whole = whole || name == k || strings.HasPrefix(name, k+"/")
		above = above || strings.HasPrefix(k, name+"/")
	}
	return whole, above
}

// leftovers are objects and make's notes; scripts/module*.o are of no use either, for modpost is a program by now.
var leftovers = []string{".o", ".a", ".cmd", ".d"}

const treeFile = "tree.json"

func (j job) finish(dir string) error {
	if err := plain(filepath.Join(dir, "stage")); err != nil {
		return fmt.Errorf("check what was installed: %w", err)
	}
	for _, name := range []string{"stage/vmlinuz", "stage/config", "stage/lib/modules/" + j.target.Release + "/modules.dep"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Size() == 0 && !strings.HasSuffix(name, ".dep") {
			return fmt.Errorf("the build ended well and left no %s", path.Base(name))
		}
	}
	title := strings.TrimSuffix(j.target.Release+"+"+j.target.Profile, "+") + ", compiled here"
	return errors.Join(store.WriteJSON(filepath.Join(dir, treeFile), j.target), store.SetTitle(dir, title))
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
	tree.Root.Make = slices.Concat(j.root.Make, toolsOf(j.target), []string{"KCFLAGS=-g"})
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

func readConfig(tree *os.Root) (kconfig.Config, error) {
	text, err := kernels.ReadRegular(tree, ".config", maxFile)
	return kconfig.Parse(string(text)), err
}

// verify checks that the configuration is what was asked for, and quotes what the options that are not depend on.
func (j job) verify(tree *os.Root) error {
	config, err := readConfig(tree)
	if err != nil {
		return err
	}
	missed := j.config.missed(config)
	if len(missed) == 0 {
		return nil
	}
	const most = 4
	var reasons []string
	for _, m := range missed[:min(len(missed), most)] {
		now := "dropped it"
		if value := config.Value(m.symbol); value != "" {
			now = "made it " + value
		}
		reasons = append(reasons, fmt.Sprintf("CONFIG_%s=%s of profile %s: make olddefconfig %s; %s",
			m.symbol, m.value, j.config.origin(m.symbol), now, dependencies(tree.FS(), m.symbol)))
	}
	if more := len(missed) - most; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("this kernel does not take %s", strings.Join(reasons, "; "))
}

// maxKconfig bounds a Kconfig file that is read, in bytes; the largest of Linux has 90 KB.
const maxKconfig = 2 << 20

var (
	kconfigHelp = regexp.MustCompile(`(?m)^\s+(?:---)?help`)
	dependsLine = regexp.MustCompile(`(?m)^\s+depends (.*)`)
)

func dependencies(tree fs.FS, symbol string) string {
	entry := regexp.MustCompile(`(?m)^(?:menu)?config ` + symbol + `\s*\n((?:[ \t#].*\n|\n)*)`)
	known, depends := false, []string{}
	_ = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "Kconfig") {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxKconfig {
			return nil
		}
		text, _ := fs.ReadFile(tree, name)
		for _, at := range entry.FindAllSubmatchIndex(text, -1) {
			known = true
			body := kconfigHelp.Split(string(text[at[2]:at[3]]), 2)[0]
			for _, on := range dependsLine.FindAllStringSubmatchIndex(body, -1) {
				line := 1 + bytes.Count(text[:at[2]+on[2]], []byte("\n"))
				depends = append(depends, fmt.Sprintf("%s (%s:%d)", body[on[2]:on[3]], name, line))
			}
		}
		return nil
	})
	switch {
	case !known:
		return "no Kconfig file of this kernel has it"
	case len(depends) == 0:
		return `it has no "depends on"`
	}
	return "it depends " + strings.Join(depends, ", ")
}
