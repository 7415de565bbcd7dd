package dir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// depmod returns a folder that is /lib/modules/RELEASE: the kernel's own if depmod ran on it, else one in the store with links to the modules.
func (k Kernel) depmod(ctx context.Context, st *store.Store, digest string) (string, error) {
	if k.Modules != "" && isFile(filepath.Join(k.Modules, "modules.dep")) {
		return k.Modules, nil
	}
	_, sum, _ := strings.Cut(digest, ":")
	inside := filepath.Join("lib/modules", k.Release)
	dir, _, err := st.Fill(ctx, "modules", k.Release+"-"+sum[:16], func(dir string) error {
		if err := errors.Join(store.SetTitle(dir, "modules of "+k.Source), k.linkModules(filepath.Join(dir, inside))); err != nil {
			return err
		}
		return runDepmod(ctx, dir, k.Release)
	})
	if err != nil {
		return "", fmt.Errorf("find what the modules of %s need: %w", k.Release, err)
	}
	return filepath.Join(dir, inside), nil
}

// linkModules lays out dir as modules_install would, with links. A listed module that was not built is reported when it is needed.
func (k Kernel) linkModules(dir string) error {
	base, below := k.Modules, ""
	if base == "" {
		base, below = k.KDIR, "kernel"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"modules.builtin", "modules.builtin.modinfo"} {
		if path := filepath.Join(base, name); isFile(path) {
			if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	var order strings.Builder
	err := k.eachModule(func(path string) error {
		rel, err := filepath.Rel(base, path)
		if err != nil || !isFile(path) {
			return err
		}
		rel = filepath.Join(below, rel)
		fmt.Fprintln(&order, rel)
		link := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(path, link); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "modules.order"), []byte(order.String()), 0o644)
}

var tools = kernels.Tools{End: syscall.SIGKILL, Grace: 10 * time.Second}

// runDepmod runs the host's depmod on base/lib/modules/RELEASE. Debian has it where the PATH of ordinary users does not lead.
func runDepmod(ctx context.Context, base, release string) error {
	for _, name := range []string{"depmod", "/usr/sbin/depmod", "/sbin/depmod"} {
		if path, err := exec.LookPath(name); err == nil {
			_, err := tools.Run(ctx, tools.Command(ctx, path, "-b", base, release))
			return err
		}
	}
	return errors.New("depmod is missing: install kmod")
}

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

// orderedModule is a module's path in a line of modules.order, which ends with .ko or, since Linux f65a486821cf, with .o; "" for what leads
// out of the tree.
func orderedModule(line string) string {
	name := strings.TrimSpace(line)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".o"), ".ko")
	if name == "" || !filepath.IsLocal(name) {
		return ""
	}
	return name + ".ko"
}

var isModule = regexp.MustCompile(`\.ko(\.(gz|xz|zst))?$`).MatchString
