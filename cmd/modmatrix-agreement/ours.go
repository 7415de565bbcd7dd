package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// ours builds the package the way that a run of modmatrix does, unless this very program did before.
func (c *comparison) ours(ctx context.Context, deb *debian.Deb, pkg *dkms.Package, tree *kernels.Tree) (side, error) {
	key := keyOf("modmatrix v1", c.self, deb.SHA256, tree.Digest, tree.Root.Digest)
	return c.once(ctx, key, "modmatrix build of "+deb.Name+" "+deb.Version+" for "+tree.Target.Release, func(dir string) (side, error) {
		return c.build(ctx, dir, pkg, tree)
	})
}

// build leaves what the build said in dir, and nothing else.
func (c *comparison) build(ctx context.Context, dir string, pkg *dkms.Package, tree *kernels.Tree) (side, error) {
	source := filepath.Join(dir, "source")
	log, err := os.Create(filepath.Join(dir, logFile))
	if err == nil {
		defer log.Close()
		err = os.Mkdir(source, 0o755)
	}
	if err != nil {
		return side{}, err
	}
	defer store.RemoveTree(source)
	own := *pkg // evaluating it may teach it its name
	began := time.Now()
	conf, err := own.Evaluate(ctx, tree)
	if err == nil && len(conf.Depends) > 0 {
		return side{Verdict: broken, Reason: "needs " + strings.Join(conf.Depends, ", ") + " (BUILD_DEPENDS), which nobody gave it"}, nil
	}
	var art *kbuild.Artifact
	if err == nil {
		art, err = dkms.Build(ctx, dkms.Request{Tree: tree, Package: &own, Conf: conf, Dir: source, Jobs: c.jobs, Log: log})
	}
	if ctx.Err() != nil {
		return side{}, ctx.Err()
	}
	s := side{Seconds: time.Since(began).Seconds()}
	s.Verdict, s.Reason = oursOf(err)
	if err == nil {
		s.Modules = installedNames(conf, art)
	}
	return s, nil
}

// oursOf is what the product's error means.
func oursOf(err error) (verdict, string) {
	var excluded *dkms.SkipError
	var fault *kbuild.Error
	switch {
	case err == nil:
		return ok, ""
	case errors.As(err, &excluded):
		return skip, excluded.Condition
	case errors.As(err, &fault):
		return fail, fault.Error()
	}
	return broken, err.Error()
}

// installedNames names the modules as dkms keeps them.
func installedNames(conf *dkms.Conf, art *kbuild.Artifact) (names []string) {
	dest := map[string]string{}
	for _, m := range conf.Modules {
		dest[m.Name] = m.DestName
	}
	for _, m := range art.Modules {
		name := strings.TrimSuffix(filepath.Base(m.Path), ".ko")
		if d, known := dest[name]; known {
			name = d
		}
		names = append(names, name)
	}
	return names
}
