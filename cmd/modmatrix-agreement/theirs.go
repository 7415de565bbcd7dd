package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// meanings are dkms's exit codes, as far as a build ends with them (dkms 3.2.2, die, diewarn and report_build_problem).
var meanings = map[int]string{
	1: "wrong use, or no temporary file", 2: "no source", 3: "built already", 4: "no dkms.conf", 5: "a patch is not there, or leads out",
	6: "a patch does not apply", 7: "a module is missing", 8: "dkms.conf is refused, or no source", 10: "make failed",
	13: "BUILD_DEPENDS is not installed", 15: "no build folder", 16: "no kernel or architecture", 21: "no kernel headers", 77: "excluded",
}

// notItsVerdict are the codes that tell of us, who called it, and not of the package.
var notItsVerdict = map[int]bool{3: true, 12: true, 13: true, 15: true, 16: true, 21: true, 126: true, 127: true}

// theirsOf is what an exit code of dkms means.
func theirsOf(exit int) verdict {
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
	dkmsTree = "/var/lib/dkms"
	saidFile = "said" // what dkms wrote to its terminal
)

// theirs has dkms build the package, or finds what it came to before.
func (c *comparison) theirs(ctx context.Context, deb *debian.Deb, pkg *dkms.Package, tree *kernels.Tree) (side, error) {
	key := keyOf("dkms v2", deb.SHA256, c.tool.SHA256, tree.Digest, tree.Root.Digest)
	return c.once(ctx, key, "dkms build of "+deb.Name+" "+deb.Version+" for "+tree.Target.Release, func(dir string) (side, error) {
		return c.runDKMS(ctx, dir, deb, pkg, tree)
	})
}

// runDKMS runs the real `dkms build` as a package's postinst does, in the sandbox that ours builds in. What it says is left in dir.
func (c *comparison) runDKMS(ctx context.Context, dir string, deb *debian.Deb, pkg *dkms.Package, tree *kernels.Tree) (side, error) {
	name, version, err := identity(ctx, pkg, tree)
	if err != nil {
		return side{}, err
	}
	state := filepath.Join(dir, "dkms")
	if err := os.Mkdir(state, 0o755); err != nil {
		return side{}, err
	}
	defer store.RemoveTree(state)
	box := kbuild.Sandbox{Tree: tree, Dir: state, At: dkmsTree, Mounts: c.dkmsMounts(deb)}
	var said bytes.Buffer
	began := time.Now()
	exit, err := box.Run(ctx, &said, "bash", "-c", `umask 022; exec bash /usr/sbin/dkms "$@"`, "dkms",
		"build", "-m", name, "-v", version, "-k", tree.Target.Release, "--no-depmod", "-j", strconv.Itoa(c.jobs))
	if err != nil {
		return side{}, fmt.Errorf("run dkms: %w", err)
	}
	log := readLog(state, name, version, tree)
	s := side{Verdict: theirsOf(exit), Seconds: time.Since(began).Seconds(), Modules: builtModules(state, name, version, tree)}
	if exit != 0 {
		s.Modules = nil // of a build that was given up later
		s.Reason = fmt.Sprintf("exit code %d (%s): %s", exit, cmp.Or(meanings[exit], "not documented"), firstError(exit, log, said.String()))
	}
	return s, errors.Join(os.WriteFile(filepath.Join(dir, saidFile), said.Bytes(), 0o644), os.WriteFile(filepath.Join(dir, logFile), log, 0o644))
}

// dkmsMounts lays dkms and the source of the package where their packages have them.
func (c *comparison) dkmsMounts(deb *debian.Deb) []kernels.Mount {
	mounts := []kernels.Mount{
		{Host: filepath.Join(c.tool.Dir, "usr/sbin/dkms"), Guest: "/usr/sbin/dkms"},
		{Host: filepath.Join(c.tool.Dir, "etc/dkms"), Guest: "/etc/dkms"},
	}
	confs, _ := filepath.Glob(filepath.Join(deb.Dir, "usr/src/*", dkms.ConfName))
	for _, conf := range confs {
		source := filepath.Dir(conf)
		mounts = append(mounts, kernels.Mount{Host: source, Guest: path.Join("/usr/src", filepath.Base(source))})
	}
	return mounts
}

// identity is what the package's postinst would name to dkms.
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

// readLog reads what the build said: it lies in the build folder of a build that failed, else with the modules.
func readLog(state, name, version string, tree *kernels.Tree) []byte {
	for _, at := range []string{"build/make.log", filepath.Join(tree.Target.Release, tree.Target.Arch, "log/make.log")} {
		f, err := os.Open(filepath.Join(state, name, version, at))
		if err != nil {
			continue
		}
		defer f.Close()
		text, _ := io.ReadAll(io.LimitReader(f, 16<<20))
		return text
	}
	return nil
}

// builtModules names what dkms kept.
func builtModules(state, name, version string, tree *kernels.Tree) (names []string) {
	files, _ := filepath.Glob(filepath.Join(state, name, version, tree.Target.Release, tree.Target.Arch, "module/*.ko*"))
	for _, f := range files {
		base, _, _ := strings.Cut(filepath.Base(f), ".ko")
		names = append(names, base)
	}
	return names
}
