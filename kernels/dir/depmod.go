package dir

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// depmodKind is the kind of store entries that say what a kernel's modules need. Each holds depmod's files and a link, tree, to
// the modules themselves.
const depmodKind = "depmod"

// treeLink is that link.
const treeLink = "tree"

// maxModinfo bounds a module's .modinfo section: real ones hold a few KiB, those with thousands of aliases some 100 KiB.
const maxModinfo = 4 << 20

// depmod gives a folder that is /lib/modules/RELEASE to whoever asks for a closure: the kernel's own where depmod has been there,
// else one in the store. depmod itself would have to write beside the modules, and not every host has it.
func (k Kernel) depmod(ctx context.Context, st *store.Store, digest string) (string, error) {
	if k.Modules != "" && isFile(filepath.Join(k.Modules, "modules.dep")) {
		return k.Modules, nil
	}
	_, sum, _ := strings.Cut(digest, ":")
	dir, _, err := st.Fill(ctx, depmodKind, k.Release+"-"+sum[:16], func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, store.TitleFile), []byte("modules of "+k.Source+"\n"), 0o644); err != nil {
			return err
		}
		if err := os.Symlink(k.moduleBase(), filepath.Join(dir, treeLink)); err != nil {
			return err
		}
		return k.writeDeps(ctx, dir)
	})
	if err != nil {
		return "", fmt.Errorf("note what the modules of %s need: %w", k.Release, err)
	}
	return dir, nil
}

// moduleBase is the folder that the paths of eachModule begin with.
func (k Kernel) moduleBase() string { return cmp.Or(k.Modules, k.KDIR) }

// eachModule calls do with the path of every module that the kernel's build lists, or that was staged.
func (k Kernel) eachModule(do func(path string) error) error {
	if k.Modules != "" {
		return filepath.WalkDir(k.Modules, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !isModule(d.Name()) {
				return err
			}
			return do(path)
		})
	}
	f, err := os.Open(filepath.Join(k.KDIR, "modules.order"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		name := orderedModule(scan.Text())
		if name == "" {
			continue
		}
		path := filepath.Join(k.KDIR, name)
		if old, ok := strings.CutPrefix(name, "kernel/"); ok && !isFile(path) {
			path = filepath.Join(k.KDIR, old)
		}
		if err := do(path); err != nil {
			return err
		}
	}
	return scan.Err()
}

// orderedModule is the path of a module in a line of modules.order, which ends with .ko or with .o (Linux kernel commit
// f65a486821cf, "kbuild: change module.order to list *.o instead of *.ko"), and which old kernels began with kernel/ for all;
// "" for what leads out of the tree.
func orderedModule(line string) string {
	name := strings.TrimSpace(line)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".o"), ".ko")
	if name == "" || !filepath.IsLocal(name) {
		return ""
	}
	return name + ".ko"
}

func isModule(name string) bool {
	for _, suffix := range []string{".gz", ".xz", ".zst"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.HasSuffix(name, ".ko")
}

// writeDeps writes modules.dep, modules.softdep, modules.alias and modules.builtin into dir. Each module states the names of those that it
// needs itself, which is all that a closure takes.
func (k Kernel) writeDeps(ctx context.Context, dir string) error {
	own, err := k.readOwn(ctx)
	if err != nil {
		return err
	}
	builtin, err := os.ReadFile(filepath.Join(k.moduleBase(), "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, text := range map[string]string{"modules.dep": own.deps(), "modules.softdep": own.soft.String(), "modules.alias": own.aliases.String(), "modules.builtin": string(builtin)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ownModules are what a kernel's modules say of themselves.
type ownModules struct {
	paths         map[string]string   // by name; as modules.dep has them
	needs         map[string][]string // by name
	soft, aliases strings.Builder     // lines of modules.softdep and modules.alias
}

func (k Kernel) readOwn(ctx context.Context) (*ownModules, error) {
	own := &ownModules{paths: map[string]string{}, needs: map[string][]string{}}
	return own, k.eachModule(func(path string) error {
		info, err := readModinfo(path)
		if errors.Is(err, fs.ErrNotExist) {
			return ctx.Err() // listed and not built: told of when it is needed
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(k.moduleBase(), path)
		if err != nil {
			return err
		}
		name := plainName(path)
		own.paths[name], own.needs[name] = filepath.Join(treeLink, rel), info.depends
		for _, s := range info.softdeps {
			fmt.Fprintf(&own.soft, "softdep %s %s\n", name, s)
		}
		for _, a := range info.aliases {
			fmt.Fprintf(&own.aliases, "alias %s %s\n", a, name)
		}
		return ctx.Err()
	})
}

// deps is modules.dep: each module with those that it needs itself.
func (own *ownModules) deps() string {
	var deps strings.Builder
	for _, name := range slices.Sorted(maps.Keys(own.paths)) {
		deps.WriteString(own.paths[name] + ":")
		for _, need := range own.needs[name] {
			if path := own.paths[plainName(need)]; path != "" {
				deps.WriteString(" " + path)
			}
		}
		deps.WriteString("\n")
	}
	return deps.String()
}

// plainName is the name that the kernel gives a module in the file at path.
func plainName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

type modinfo struct{ depends, softdeps, aliases []string }

// readModinfo reads what the module at path says that it needs. Of a file that is not packed it reads no more than that.
func readModinfo(path string) (modinfo, error) {
	var r io.ReaderAt
	if strings.HasSuffix(path, ".ko") {
		f, err := os.Open(path)
		if err != nil {
			return modinfo{}, err
		}
		defer f.Close()
		r = f
	} else {
		data, err := kernels.ReadModule(path)
		if err != nil {
			return modinfo{}, err
		}
		r = bytes.NewReader(data)
	}
	info, err := parseModinfo(r)
	if err != nil {
		return modinfo{}, fmt.Errorf("%s is no module: %w", path, err)
	}
	return info, nil
}

func parseModinfo(r io.ReaderAt) (modinfo, error) {
	file, err := elf.NewFile(r)
	if err != nil {
		return modinfo{}, err
	}
	section := file.Section(".modinfo")
	if section == nil || section.Type == elf.SHT_NOBITS {
		return modinfo{}, errors.New("no section .modinfo")
	}
	raw, err := io.ReadAll(io.LimitReader(section.Open(), maxModinfo))
	if err != nil {
		return modinfo{}, err
	}
	var info modinfo
	for _, field := range strings.Split(string(raw), "\x00") {
		key, value, _ := strings.Cut(field, "=")
		if strings.ContainsAny(value, "\n\r") {
			continue
		}
		switch key {
		case "depends":
			info.depends = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		case "softdep":
			info.softdeps = append(info.softdeps, value)
		case "alias":
			info.aliases = append(info.aliases, value)
		}
	}
	return info, nil
}
