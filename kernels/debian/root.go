package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// always are in every root besides what a kernel's own packages ask for: what modules' makefiles take for granted, and ccache, which spares
// compiling again what did not change.
var always = []string{"bc", "ccache", "gcc", "kmod", "libc6-dev", "make", "patch", "perl-base", "xz-utils"}

// mountPoints are empty folders for whoever builds in a root, which is read-only to him.
var mountPoints = []string{"build", "lib/modules", "module", "out", "proc", "tmp", "usr/src"}

// rootNotes is what is kept of a root in root.json.
type rootNotes struct {
	Compiler string   `json:"compiler"`
	Digest   string   `json:"digest"`
	Packages []string `json:"packages"` // installed: name, version and architecture
}

const rootFile = "root.json"

// Root returns a root of suite with pkgs in it, and what modules' makefiles take for granted, from the store where it is
// there. It is for kernels that do not come from the archive; whoever compiles one makes folders in the root, so it is never a
// shared one. Errors wrap kernels.ErrUnavailable, unless ctx ended.
func (s *Source) Root(ctx context.Context, suite string, pkgs []string, report func(kernels.Progress)) (kernels.Root, error) {
	if report == nil {
		report = func(kernels.Progress) {}
	}
	own := s.own()
	root, err := own.root(ctx, own.state(suite, build), kernels.Target{Suite: suite, RootPkgs: pkgs}, report)
	return root, kernels.Unavailable(ctx, err)
}

// own is the source over the store alone that may be written to.
func (s *Source) own() *Source { return &Source{store: s.store.Own(), cfg: s.cfg, now: s.now} }

func rootPkgs(t kernels.Target) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(always), t.RootPkgs...))))
}

// RootID is what the root that t is built in is called in the store, among the roots.
func RootID(t kernels.Target) string { return t.Suite + "-" + short(strings.Join(rootPkgs(t), "\n")) }

// root returns the root that t is built in; targets of one suite that need the same packages share it.
func (s *Source) root(ctx context.Context, st *state, t kernels.Target, report func(kernels.Progress)) (kernels.Root, error) {
	return s.rootWith(ctx, st, t, "", nil, report)
}

// rootWith returns a root with what meets needs besides, made of the root at the host path from where there are some.
func (s *Source) rootWith(ctx context.Context, st *state, t kernels.Target, from string, needs []string, report func(kernels.Progress)) (kernels.Root, error) {
	pkgs, id := rootPkgs(t), RootID(t)
	if err := errors.Join(checkSuite(t.Suite), kernels.CheckPackageNames(pkgs)); err != nil {
		return kernels.Root{}, err
	}
	if len(needs) > 0 {
		id += "-" + short(strings.Join(needs, "\n"))
	}
	dir, _, err := s.store.Fill(ctx, "roots", id, func(dir string) error {
		if s.cfg.Offline {
			return errors.New("the root to build in is not in the store, and the network is not to be used")
		}
		if _, err := st.ensure(ctx, anyAge); err != nil {
			return err
		}
		what := fmt.Sprintf("root %s with %s", t.Suite, strings.Join(append([]string{compilerOf(pkgs)}, needs...), " and "))
		how := []string{"--variant=essential", "--include=" + strings.Join(pkgs, ",")}
		if len(needs) > 0 {
			more, err := st.meeting(ctx, dir, t.Suite, from, needs)
			if err != nil {
				return err
			}
			how = further(from, more)
		}
		if err := st.makeRoot(ctx, filepath.Join(dir, "root"), t.Suite, how, what, report); err != nil {
			return fmt.Errorf("make a %s: %w", what, err)
		}
		return errors.Join(store.SetTitle(dir, what), noteRoot(ctx, dir, compilerOf(pkgs)))
	})
	if err != nil {
		return kernels.Root{}, err
	}
	var notes rootNotes
	if err := store.ReadJSON(filepath.Join(dir, rootFile), &notes); err != nil {
		return kernels.Root{}, fmt.Errorf("open root %s: %w", dir, err)
	}
	return kernels.Root{Dir: filepath.Join(dir, "root"), Digest: notes.Digest, Compiler: notes.Compiler}, nil
}

// makeRoot has mmdebstrap install packages, as how says, and unpacks what it made as files of the caller's: then a build needs no rights to
// read the root, and its owner none to delete it.
func (st *state) makeRoot(ctx context.Context, dir, base string, how []string, what string, report func(kernels.Progress)) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	acquire, err := hostAcquire(ctx)
	if err != nil {
		return err
	}
	mark := st.stamp()
	sources := mark.Archives.sources(rootLines(st.suite, base, mark.Lines), st.src.cfg.Keyring, build.Debian)
	report(kernels.Progress{What: what})
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	unpack := tools.Command(ctx, "tar", "-x", "-C", dir, "--no-same-owner", "--exclude=./dev/*")
	unpack.Stdin = r
	unpacked := make(chan error, 1)
	go func() { _, err := tools.Run(ctx, unpack); r.Close(); unpacked <- err }()
	err = st.bootstrap(ctx, w, mmdebstrapArgs(base, how, acquire, sources), sources)
	w.Close()
	switch unpackErr := <-unpacked; {
	case store.IsFull(unpackErr): // mmdebstrap then knows of a broken pipe only
		return unpackErr
	case err != nil:
		return cmp.Or(canUnshare(), notDownloaded(notRead(err, st.src.cfg.Keyring), "run it again"))
	case unpackErr != nil:
		return unpackErr
	}
	for _, name := range mountPoints {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// rootTemp is what mmdebstrap takes of the folder for temporary files at most, in bytes: the root and its packages.
const rootTemp = 700 << 20

// bootstrap runs mmdebstrap, which writes the root to out as a tar. It works in a folder that its mapped users can reach, which
// those below a home often are not; the folder's name is that of the root to be made, so that whoever makes it next, with the
// same lock held, deletes what a killed one left.
func (st *state) bootstrap(ctx context.Context, out *os.File, args []string, sources string) (err error) {
	defer func() { err = store.TempFull(err, rootTemp) }()
	work := filepath.Join(os.TempDir(), fmt.Sprintf("modmatrix-%d-%s", os.Getuid(), short(st.src.store.Dir()+"\n"+strings.Join(args, "\n"))))
	if err := errors.Join(store.RemoveTree(work), os.Mkdir(work, 0o755)); err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, store.RemoveTree(work)) }()
	build := tools.Command(ctx, "mmdebstrap", args...)
	build.Env = append(build.Env, "TMPDIR="+work)
	build.Stdin, build.Stdout = strings.NewReader(sources), out
	_, err = tools.Run(ctx, build)
	return err
}

// rootLines are the suites that a root is made from: the base's, or the selected suite's own where the base is not enough;
// of these, the ones that were there when the index was read.
func rootLines(su suite, base string, there []string) []line {
	of := suiteOf(su.base)
	if base == su.name {
		of = su
	}
	return slices.DeleteFunc(slices.Clone(of.lines), func(l line) bool { return !slices.Contains(there, l.suite) })
}

func mmdebstrapArgs(base string, how []string, acquire, sources string) []string {
	mode := "--mode=unshare"
	if os.Geteuid() == 0 {
		mode = "--mode=root"
	}
	args := append([]string{
		mode, "--format=tar", "--architectures=" + build.Debian,
		"--aptopt=Acquire::Languages \"none\"",
		"--dpkgopt=force-unsafe-io",
	}, how...)
	for _, junk := range []string{"man", "doc", "locale", "info"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+junk+"/*")
	}
	for text := range strings.Lines(acquire) {
		args = append(args, "--aptopt="+strings.TrimSpace(text))
	}
	// An archive in a folder must be seen from inside, too; mmdebstrap brings what does that.
	if strings.Contains(sources, "] file:") || strings.Contains(sources, "] copy:") {
		args = append(args, "--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount")
	}
	return append(args, base, "-", "-")
}

// canUnshare is nil where this user can map ids, as mmdebstrap must; else one line with the cure, where mmdebstrap says many.
func canUnshare() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return errors.New("newuidmap is missing: install uidmap")
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		text, _ := os.ReadFile(file)
		if !slices.ContainsFunc(strings.Split(string(text), "\n"), func(l string) bool {
			return strings.HasPrefix(l, me.Username+":") || strings.HasPrefix(l, me.Uid+":")
		}) {
			return fmt.Errorf("%s has no range for %s: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s", file, me.Username, me.Username)
		}
	}
	return nil
}

// noteRoot writes root.json into dir: what is installed, and who the compiler says he is.
func noteRoot(ctx context.Context, dir, compiler string) error {
	root := filepath.Join(dir, "root")
	installed, err := installedIn(ctx, root)
	if err != nil {
		return fmt.Errorf("read the root's packages: %w", err)
	}
	notes := rootNotes{Packages: installed, Digest: digest(strings.Join(installed, "\n"))}
	if compiler == "" {
		if _, err := os.Stat(filepath.Join(root, "usr/bin/gcc")); errors.Is(err, fs.ErrNotExist) {
			return store.WriteJSON(filepath.Join(dir, rootFile), notes) // a root of tools alone
		}
		compiler = "gcc"
	}
	said, err := tools.Run(ctx, inRoot(ctx, root, nil, compiler, "--version"))
	if err != nil {
		return fmt.Errorf("ask the compiler for its version: %w", err)
	}
	notes.Compiler, _, _ = strings.Cut(said, "\n")
	return store.WriteJSON(filepath.Join(dir, rootFile), notes)
}

// installedIn are the packages in a root, as NAME VERSION ARCHITECTURE, sorted.
func installedIn(ctx context.Context, root string) ([]string, error) {
	out, err := tools.Run(ctx, tools.Command(ctx, "dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"), "--show",
		"--showformat=${Package} ${Version} ${Architecture}\n"))
	if err != nil || out == "" {
		return nil, cmp.Or(err, errors.New("none is installed"))
	}
	return slices.Sorted(strings.SplitSeq(strings.TrimSpace(out), "\n")), nil
}

// inRoot is a command inside a root: nothing of the host but what binds add, no network, no environment.
func inRoot(ctx context.Context, root string, binds []string, argv ...string) *exec.Cmd {
	args := []string{"--unshare-all", "--die-with-parent", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "LC_ALL", "C",
		"--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"}
	args = append(append(args, binds...), "--")
	return tools.Command(ctx, "bwrap", append(args, argv...)...)
}
