package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/packaging"
)

// asPackage reports whether the module is installed for t as the package that it is, by that release's own tools.
func asPackage(t kernels.Target) bool {
	return slices.Contains(strings.Split(t.Profile, "+"), packaging.Profile)
}

// checkPackage refuses kernels that want a package, of a module that is none.
func (p *Plan) checkPackage() error {
	if p.in.module == nil || !slices.ContainsFunc(p.Targets, asPackage) {
		return nil
	}
	switch {
	case len(p.Spec.Prebuilt) > 0:
		return &UsageError{errors.New("+" + packaging.Profile + " has a package built, and --prebuilt builds nothing: give one of them")}
	case p.in.module.Kind != dkms.Deb && p.in.module.Kind != dkms.Archive:
		return &UsageError{fmt.Errorf("+%s installs a package, and %s is none: make one by modmatrix package deb, and run that", packaging.Profile, p.Spec.Module)}
	case len(p.in.depends) > 0:
		return &UsageError{errors.New("+" + packaging.Profile + " installs one package: it cannot build upon those of --depends")}
	}
	return nil
}

// install has the package's own file installed on a machine of the kernel's release, and returns what was built there.
func (bd *builder) install(ctx context.Context, tree *kernels.Tree, pkg *dkms.Package, conf *dkms.Conf, dir string, log io.Writer) (*kbuild.Artifact, error) {
	own := *pkg
	if conf != nil {
		own.Name, own.Version = conf.Name, conf.Version
	}
	return packaging.Install(ctx, packaging.Installation{Tree: tree, File: bd.plan.Spec.Module, Package: &own, Dir: dir, Log: log})
}

// fileDigest is that of a package's file: two of one source have other scripts, and other tools install them. What cannot be read is as no
// other file is; installing it says why.
func fileDigest(file string) string {
	sum, err := kernels.FileSHA256(file)
	if err != nil {
		return err.Error()
	}
	return sum
}
