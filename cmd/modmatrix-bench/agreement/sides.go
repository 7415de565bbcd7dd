package agreement

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// meanings are dkms's exit codes, as far as a build ends with them (dkms 3.2.2, die, diewarn and report_build_problem).
var meanings = map[int]string{
	1: "wrong use, or no temporary file", 2: "no source", 3: "built already", 4: "no dkms.conf", 5: "a patch is not there, or leads out",
	6: "a patch does not apply", 7: "a module is missing", 8: "dkms.conf is refused, or no source", 10: "make failed",
	13: "BUILD_DEPENDS is not installed", 15: "no build folder", 16: "no kernel or architecture", 21: "no kernel headers", 77: "excluded",
}

// notItsVerdict are the codes that are the caller's fault, not the package's.
var notItsVerdict = map[int]bool{3: true, 12: true, 13: true, 15: true, 16: true, 21: true, 126: true, 127: true}

func dkmsVerdict(exit int) Verdict {
	switch {
	case exit == 0:
		return ok
	case exit == 77:
		return skip
	case notItsVerdict[exit] || exit > 128:
		return broken
	}
	return fail
}

const (
	dkmsTree   = "/var/lib/dkms"
	outputFile = "said" // what dkms wrote to its terminal
)

func (c *comparison) askDKMS(ctx context.Context, s subject, tree *kernels.Tree) (Side, error) {
	return c.once(ctx, "dkms", []string{"dkms v3", s.deb.SHA256, c.tool.SHA256}, s, tree, c.runDKMS)
}

// runDKMS runs the real `dkms build` as a package's postinst does, in the sandbox that a run builds in.
func (c *comparison) runDKMS(ctx context.Context, dir string, s subject, tree *kernels.Tree) (Side, error) {
	name, version, err := identity(ctx, s.pkg, tree)
	if err != nil {
		return Side{}, err
	}
	state := filepath.Join(dir, "dkms")
	if err := os.Mkdir(state, 0o755); err != nil {
		return Side{}, err
	}
	defer store.RemoveTree(state)
	mounts, sources := c.dkmsMounts(s.deb)
	writable, err := copies(filepath.Join(dir, "usr-src"), sources)
	if err != nil {
		return Side{}, err
	}
	defer store.RemoveTree(filepath.Join(dir, "usr-src"))
	cross, env, err := crossed(filepath.Join(dir, "cross"), tree)
	if err != nil {
		return Side{}, err
	}
	defer os.RemoveAll(filepath.Join(dir, "cross"))
	box := kbuild.Sandbox{Tree: tree, Dir: state, At: dkmsTree, Mounts: slices.Concat(mounts, sources, cross), Writable: writable, Env: env}
	var output bytes.Buffer
	began := time.Now()
	exit, err := box.Run(ctx, &output, "bash", "-c", `umask 022; exec bash /usr/sbin/dkms "$@"`, "dkms",
		"build", "-m", name, "-v", version, "-k", tree.Target.Release, "-a", tree.Target.Arch, "--no-depmod", "-j", strconv.Itoa(c.Jobs))
	if err != nil {
		return Side{}, fmt.Errorf("run dkms: %w", err)
	}
	side := Side{Verdict: dkmsVerdict(exit), Seconds: time.Since(began).Seconds()}
	built := filepath.Join(state, name, version)
	installed := filepath.Join(built, tree.Target.Release, tree.Target.Arch)
	log := readLog(filepath.Join(built, "build"), filepath.Join(installed, "log"))
	if exit == 0 {
		side.Modules = builtModules(installed)
	} else {
		side.Reason = fmt.Sprintf("exit code %d (%s): %s", exit, cmp.Or(meanings[exit], "not documented"), firstError(log, output.String()))
	}
	return side, errors.Join(os.WriteFile(filepath.Join(dir, outputFile), output.Bytes(), 0o644), os.WriteFile(filepath.Join(dir, logFile), log, 0o644))
}

// crossed has a build for another machine than this one: dkms passes its environment on, and has no option for it but a name, --arch. It
// exports CC as the kernel's configuration calls the compiler, gcc-12, which on that machine is its own: so it is here, before those on PATH.
func crossed(dir string, tree *kernels.Tree) (mounts []kernels.Mount, env [][2]string, err error) {
	target := tree.Target.Machine()
	for _, arg := range kernels.Cross(target) {
		name, value, _ := strings.Cut(arg, "=")
		env = append(env, [2]string{name, value})
	}
	if env == nil {
		return nil, nil, nil
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, err
	}
	compilers, err := filepath.Glob(filepath.Join(tree.Root.Dir, "usr/bin", target.Triplet+"-gcc-[0-9]*"))
	for _, path := range compilers {
		name := filepath.Base(path)
		err = errors.Join(err, os.Symlink("/usr/bin/"+name, filepath.Join(dir, strings.TrimPrefix(name, target.Triplet+"-"))))
	}
	path := slices.IndexFunc(sandbox.Environment, func(e [2]string) bool { return e[0] == "PATH" })
	env = append(env, [2]string{"PATH", crossFolder + ":" + sandbox.Environment[path][1]})
	return []kernels.Mount{{Host: dir, Guest: crossFolder}}, env, err
}

// crossFolder is where compilers for another machine have the names that they have on it.
const crossFolder = "/opt/cross"

// dkmsMounts puts dkms and the source of the package where their packages have them.
func (c *comparison) dkmsMounts(deb *debian.Deb) (tool, sources []kernels.Mount) {
	tool = []kernels.Mount{
		{Host: filepath.Join(c.tool.Dir, "usr/sbin/dkms"), Guest: "/usr/sbin/dkms"},
		{Host: filepath.Join(c.tool.Dir, "etc/dkms"), Guest: "/etc/dkms"},
	}
	confs, _ := filepath.Glob(filepath.Join(deb.Dir, "usr/src/*", dkms.ConfName))
	for _, conf := range confs {
		source := filepath.Dir(conf)
		sources = append(sources, kernels.Mount{Host: source, Guest: path.Join("/usr/src", filepath.Base(source))})
	}
	return tool, sources
}

// copies makes below dir what a package's scripts may write to: root could, in the sources as they are installed.
func copies(dir string, sources []kernels.Mount) (writable []kernels.Mount, err error) {
	for _, m := range sources {
		to := filepath.Join(dir, path.Base(m.Guest))
		if err := os.CopyFS(to, os.DirFS(m.Host)); err != nil {
			return nil, fmt.Errorf("copy source of the package: %w", err)
		}
		writable = append(writable, kernels.Mount{Host: to, Guest: m.Guest})
	}
	return writable, nil
}

// identity is the name and version that the package's postinst calls dkms with.
func identity(ctx context.Context, pkg *dkms.Package, tree *kernels.Tree) (name, version string, err error) {
	if pkg.Name != "" && pkg.Version != "" {
		return pkg.Name, pkg.Version, nil
	}
	conf, err := pkg.Evaluate(ctx, tree)
	if err != nil {
		return "", "", err
	}
	return conf.Name, conf.Version, nil
}

// readLog reads make.log of the first folder that has one: the build folder of a build that failed, else beside the modules.
func readLog(dirs ...string) []byte {
	for _, dir := range dirs {
		if f, err := os.Open(filepath.Join(dir, "make.log")); err == nil {
			defer f.Close()
			text, _ := io.ReadAll(io.LimitReader(f, 16<<20))
			return text
		}
	}
	return nil
}

func builtModules(installed string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(installed, "module/*.ko*"))
	for _, f := range files {
		base, _, _ := strings.Cut(filepath.Base(f), ".ko")
		names = append(names, base)
	}
	return names
}

// The files of an entry in the store: the answer of a side, and the log of its build.
const (
	sideFile = "side.json"
	logFile  = "build.log"
)

// build has one side build a package; its log is left in dir.
type build func(ctx context.Context, dir string, s subject, tree *kernels.Tree) (Side, error)

// once asks a side within the time for one build, or returns its answer to the same key: all that it depends on.
func (c *comparison) once(ctx context.Context, who string, key []string, s subject, tree *kernels.Tree, build build) (Side, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	key = append(key, tree.Digest, tree.Root.Digest)
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(key, "\n"))))
	dir, hit, err := c.store.Fill(ctx, "agreement", id, func(dir string) error {
		side, err := build(ctx, dir, s, tree)
		if err != nil {
			return err
		}
		title := fmt.Sprintf("%s build of %s %s for %s\n", who, s.deb.Name, s.deb.Version, tree.Target.Release)
		return errors.Join(measure.Save(filepath.Join(dir, sideFile), side), store.SetTitle(dir, title))
	})
	if err != nil {
		return Side{}, err
	}
	var side Side
	text, err := os.ReadFile(filepath.Join(dir, sideFile))
	if err == nil {
		err = json.Unmarshal(text, &side)
	}
	slices.Sort(side.Modules)
	side.Cached, side.Log = hit, filepath.Join(dir, logFile)
	return side, err
}

func (c *comparison) askModmatrix(ctx context.Context, s subject, tree *kernels.Tree) (Side, error) {
	return c.once(ctx, "modmatrix", []string{"modmatrix v1", c.self, s.deb.SHA256}, s, tree, c.runModmatrix)
}

// runModmatrix builds the package as a run does.
func (c *comparison) runModmatrix(ctx context.Context, dir string, s subject, tree *kernels.Tree) (Side, error) {
	source := filepath.Join(dir, "source")
	log, err := os.Create(filepath.Join(dir, logFile))
	if err == nil {
		defer log.Close()
		err = os.Mkdir(source, 0o755)
	}
	if err != nil {
		return Side{}, err
	}
	defer store.RemoveTree(source)
	pkg := *s.pkg // Evaluate may fill in its name
	began := time.Now()
	conf, err := pkg.Evaluate(ctx, tree)
	if err == nil && len(conf.Depends) > 0 {
		return Side{Verdict: broken, Reason: "needs " + strings.Join(conf.Depends, ", ") + " (BUILD_DEPENDS), which is not there"}, nil
	}
	var art *kbuild.Artifact
	if err == nil {
		art, err = dkms.Build(ctx, dkms.Request{Tree: tree, Package: &pkg, Conf: conf, Dir: source, Jobs: c.Jobs, Log: log})
	}
	if ctx.Err() != nil {
		return Side{}, ctx.Err()
	}
	side := modmatrixSide(err)
	side.Seconds = time.Since(began).Seconds()
	if err == nil {
		side.Modules = installedNames(conf, art)
	}
	return side, nil
}

func modmatrixSide(err error) Side {
	var excluded *dkms.SkipError
	var fault *kbuild.Error
	switch {
	case err == nil:
		return Side{Verdict: ok}
	case errors.As(err, &excluded):
		return Side{Verdict: skip, Reason: excluded.Condition}
	case errors.As(err, &fault):
		return Side{Verdict: fail, Reason: fault.Error()}
	}
	return Side{Verdict: broken, Reason: err.Error()}
}

func installedNames(conf *dkms.Conf, art *kbuild.Artifact) (names []string) {
	for _, m := range art.Modules {
		name := strings.TrimSuffix(filepath.Base(m.Path), ".ko")
		if i := slices.IndexFunc(conf.Modules, func(listed dkms.Module) bool { return listed.Name == name }); i >= 0 {
			name = conf.Modules[i].DestName
		}
		names = append(names, name)
	}
	return names
}
