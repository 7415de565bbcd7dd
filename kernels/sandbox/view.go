package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// hostEntries is what a build in the host's own root may see: programs and libraries, and of /etc only what they need
// to start. Homes, keys and sockets of the host stay out.
var hostEntries = []string{
	"/bin", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/os-release",
	"/lib", "/lib32", "/lib64", "/libx32", "/opt", "/sbin", "/usr",
}

// ownEntries are the top-level folders that the sandbox makes itself, whatever the root has there.
var ownEntries = []string{Home, "/dev", "/proc", "/run", "/sys", "/tmp"}

// maxChildren bounds how many binds one shadowed folder may cost: bwrap takes 9000 arguments in all.
const maxChildren = 1000

// maxLinks bounds the symbolic links followed in one path, as the kernel does (Linux include/linux/namei.h, MAXSYMLINKS).
const maxLinks = 40

// View is the file tree that a sandbox sees: a root, with mounts laid over it, as bwrap arguments.
//
// Everything is read-only, so a mount point that does not exist cannot be made in place. A folder that lacks one is
// opened: covered by a tmpfs into which its own children are bound again, beside the newcomer.
type View struct {
	root   string            // host path of /
	mounts map[string]string // guest path to host path
	links  map[string]string // guest path to target
	opened map[string]bool
	taken  map[string]bool // guest paths that a mount stands on
	laid   []laid          // over the root, in their order
	args   []string
}

// laid is what a mount or an opened folder is made of.
type laid struct {
	guest string
	args  []string
}

// Layout lays mounts out over root. An error names the mount that cannot be made.
func Layout(root kernels.Root, mounts []kernels.Mount) (*View, error) {
	v := &View{
		root:   cmp.Or(root.Dir, "/"),
		mounts: map[string]string{},
		links:  map[string]string{},
		opened: map[string]bool{"/": true},
		taken:  map[string]bool{},
	}
	sorted := slices.SortedStableFunc(slices.Values(mounts), func(a, b kernels.Mount) int { return cmp.Compare(a.Guest, b.Guest) })
	for _, m := range sorted {
		guest, err := v.place(m.Guest)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Guest, err)
		}
		v.taken[guest] = true
	}
	if err := v.showRoot(root); err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	for _, m := range sorted {
		if err := v.add(m); err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Guest, err)
		}
	}
	return v, nil
}

// Args returns the arguments of bwrap that make it.
func (v *View) Args() []string { return v.args }

func (v *View) showRoot(root kernels.Root) error {
	if root.Dir != "" {
		return v.showChildren("/")
	}
	for _, entry := range hostEntries {
		if err := v.show(entry, entry); err != nil {
			return err
		}
	}
	return nil
}

// seal makes what was opened read-only, deepest first, so that no build can plant files beside the mounts.
func (v *View) seal() []string {
	var args []string
	for _, dir := range slices.Backward(slices.Sorted(maps.Keys(v.opened))) {
		args = append(args, "--remount-ro", dir)
	}
	return args
}

func (v *View) add(m kernels.Mount) error {
	if m.Link == "" {
		if _, err := os.Stat(m.Host); err != nil {
			return fmt.Errorf("stat source: %w", err)
		}
	}
	guest, err := v.place(m.Guest)
	if err != nil {
		return err
	}
	if m.Link != "" || !v.covers(guest, m.Host) {
		if err := v.open(path.Dir(guest)); err != nil {
			return err
		}
	}
	if m.Link != "" {
		v.links[guest] = m.Link
		v.lay(guest, "--symlink", m.Link, guest)
		return nil
	}
	v.mounts[guest] = m.Host
	v.lay(guest, "--ro-bind", m.Host, guest)
	return nil
}

func (v *View) lay(guest string, args ...string) {
	v.args = append(v.args, args...)
	v.laid = append(v.laid, laid{guest, args})
}

// place returns where a mount at guest really stands: the links on the way there are followed, its own name is not.
func (v *View) place(guest string) (string, error) {
	if !path.IsAbs(guest) || path.Clean(guest) == "/" {
		return "", errors.New("not an absolute path below /")
	}
	parent, err := v.resolve(path.Dir(path.Clean(guest)))
	return path.Join(parent, path.Base(guest)), err
}

// covers reports whether guest exists as the same kind of thing as host, so that host can be bound right over it.
func (v *View) covers(guest, host string) bool {
	there, err := os.Lstat(v.host(guest))
	if err != nil || v.links[guest] != "" {
		return false
	}
	here, err := os.Stat(host)
	return err == nil && there.IsDir() == here.IsDir() && there.Mode()&fs.ModeSymlink == 0
}

// open readies the deepest existing folder on the way to parent for a mount point that it lacks.
func (v *View) open(parent string) error {
	for parent != "/" && !v.isDir(parent) {
		parent = path.Dir(parent)
	}
	if v.opened[parent] {
		return nil
	}
	v.opened[parent] = true
	start := len(v.args)
	v.args = append(v.args, "--tmpfs", parent)
	if err := v.showChildren(parent); err != nil {
		return err
	}
	for _, l := range v.laid { // what was below it is covered now
		if strings.HasPrefix(l.guest, parent+"/") {
			v.args = append(v.args, l.args...)
		}
	}
	v.laid = append(v.laid, laid{parent, slices.Clone(v.args[start:])})
	return nil
}

// isDir reports whether guest is a folder of the root or of a mount; the ones bwrap makes on the way do not count.
func (v *View) isDir(guest string) bool {
	info, err := os.Lstat(v.host(guest))
	return err == nil && info.IsDir()
}

// showChildren binds what the folder dir holds on the host back into it, except for what a mount or the sandbox puts there.
func (v *View) showChildren(dir string) error {
	host := v.host(dir)
	entries, err := os.ReadDir(host)
	if err != nil {
		return err
	}
	if len(entries) > maxChildren {
		return fmt.Errorf("%s holds %d entries and lacks a mount point: make one there", host, len(entries))
	}
	for _, e := range entries {
		guest := path.Join(dir, e.Name())
		if v.taken[guest] || slices.Contains(ownEntries, guest) {
			continue
		}
		if err := v.show(filepath.Join(host, e.Name()), guest); err != nil {
			return err
		}
	}
	return nil
}

// show makes one file, folder or link of the host visible as it is; what does not exist, and what is none of these, is left out.
func (v *View) show(host, guest string) error {
	info, err := os.Lstat(host)
	switch {
	case err != nil:
		return nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(host)
		if err != nil {
			return err
		}
		v.args = append(v.args, "--symlink", target, guest)
	case info.IsDir() || info.Mode().IsRegular():
		v.args = append(v.args, "--ro-bind", host, guest)
	}
	return nil
}

// host returns the host path behind a guest path whose links are resolved.
func (v *View) host(guest string) string {
	for at := guest; at != "/"; at = path.Dir(at) {
		if host, ok := v.mounts[at]; ok {
			return filepath.Join(host, strings.TrimPrefix(guest, at))
		}
	}
	return filepath.Join(v.root, guest)
}

// resolve follows the symbolic links of a guest path inside the view. Components that do not exist are kept as they are.
func (v *View) resolve(guest string) (string, error) {
	at, rest := "/", strings.Split(strings.Trim(path.Clean(guest), "/"), "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		target, ok := v.links[next]
		if !ok {
			target, _ = os.Readlink(v.host(next))
		}
		if target == "" {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("too many symbolic links in %s", guest)
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return at, nil
}

// Find returns the host path of the guest file or folder, or an error that names it.
func (v *View) Find(guest string) (string, error) {
	at, err := v.resolve(guest)
	if err != nil {
		return "", err
	}
	host := v.host(at)
	if _, err := os.Stat(host); err != nil {
		return "", fmt.Errorf("no %s in the root", guest)
	}
	return host, nil
}
