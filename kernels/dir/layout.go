package dir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bufio"
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// guestKernel is where a tree lies in the sandbox whose own path cannot be the same there.
const guestKernel = "/kernel"

// unfit are the characters in a path that the kernel's makefiles cannot take (Linux Makefile: "source directory cannot contain
// spaces or colons"), and those that make itself reads as something else.
const unfit = " \t:;#$%'\"\\()*?[]~&|<>`"

// SourcesEnv names the folders, separated by colons, that a kernel's tree may take its source from, wherever they lie.
const SourcesEnv = "MODMATRIX_KERNEL_SOURCES"

// shown are the folders that a tree may refer to without being asked: what is installed there is for everybody on the machine.
var shown = []string{"/usr", "/opt", "/lib/modules"}

// allowed reports whether a tree may have the folder at path mounted. A tree may be a stranger's, and what it names is readable
// for whoever builds against it.
func allowed(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	folders := slices.Clone(shown)
	for _, dir := range filepath.SplitList(os.Getenv(SourcesEnv)) {
		if dir, err := filepath.EvalSymlinks(dir); err == nil && filepath.IsAbs(dir) && dir != "/" {
			folders = append(folders, dir)
		}
	}
	return inside(path, folders)
}

// mounts makes the build directory, and what it refers to, visible in the sandbox at the paths that it refers to them by.
func (k Kernel) mounts() (kdir string, mounts []kernels.Mount, err error) {
	sources, err := k.sources()
	if err != nil {
		return "", nil, err
	}
	for _, s := range sources {
		if !fits(s) {
			return "", nil, fmt.Errorf("make cannot build in %s: rename that folder and make anew", s)
		}
		mounts = append(mounts, kernels.Mount{Host: s, Guest: s})
	}
	kdir = k.KDIR
	if !fits(kdir) {
		if len(sources) > 0 {
			return "", nil, fmt.Errorf("make cannot build in %s: rename that folder and make anew", kdir)
		}
		kdir = guestKernel
	}
	return kdir, append(mounts, kernels.Mount{Host: k.KDIR, Guest: kdir}), nil
}

// fits reports whether path can be the same in the sandbox: make takes it, and nothing of the sandbox's own lies there.
func fits(path string) bool {
	if strings.ContainsAny(path, unfit) {
		return false
	}
	return !slices.ContainsFunc([]string{"/build", "/dev", "/proc", "/sys"}, func(own string) bool {
		return path == own || strings.HasPrefix(path, own+"/")
	})
}

var (
	// elsewhere is how the Makefile of a folder given to O= names the source, up to 4.19 and since (Linux scripts/mkmakefile, and
	// Makefile, quiet_cmd_makefile).
	elsewhere = regexp.MustCompile(`(?m)^(?:include (\S+)/Makefile|MAKEARGS := -C (\S+)(?: .*)?)$`)
	// maxMakefile bounds such a Makefile: it has a few lines. The kernel's own has thousands.
	maxMakefile = int64(4 << 10)
)

// sources are the folders outside of the build directory that it refers to, links resolved: the source of a tree that was built
// with O=, what links in it lead to, and what those refer to in turn. A source that is not allowed is an error; a link that is
// not leads nowhere.
func (k Kernel) sources() ([]string, error) {
	var found []string
	queue := []string{k.KDIR}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		from, links := included(dir), linked(dir)
		for i, path := range append(from, links...) {
			if info, err := os.Stat(path); err != nil || !info.IsDir() {
				continue
			}
			if inside(path, append(found, k.KDIR)) {
				continue
			}
			if !allowed(path) {
				if i < len(from) {
					return nil, fmt.Errorf("%s takes its source from %s: if both are yours, name that in %s", k.KDIR, path, SourcesEnv)
				}
				continue
			}
			found = append(found, path)
			queue = append(queue, path)
		}
	}
	slices.Sort(found)
	return found, nil
}

// inside reports whether path is one of dirs or lies below one.
func inside(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
}

// included is the source that the Makefile in dir takes everything from. Its path is kept as it is written: make will ask for
// it by that name.
func included(dir string) []string {
	text, err := kernels.ReadFileIn(dir, "Makefile", maxMakefile)
	if err != nil {
		return nil
	}
	m := elsewhere.FindSubmatch(text)
	if m == nil {
		return nil
	}
	source := string(m[1]) + string(m[2])
	if !filepath.IsAbs(source) {
		source = filepath.Join(dir, source)
	}
	return []string{filepath.Clean(source)}
}

// linked are the folders that links at the top of dir lead into, but for those that every sandbox shows.
func linked(dir string) []string {
	var found []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 || e.Name() == "source" {
			continue // the source of O= is named by the Makefile, which included reads
		}
		path, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			path = filepath.Dir(path)
		}
		if !inside(path, []string{"/usr", "/opt"}) {
			found = append(found, path)
		}
	}
	return found
}

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
