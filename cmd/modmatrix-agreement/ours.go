package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// ours builds the package the way that a run of modmatrix does. log is a host path for what the build says.
func (c *comparison) ours(ctx context.Context, pkg *dkms.Package, tree *kernels.Tree, log string) (side, error) {
	dir, err := os.MkdirTemp(c.work, "build-")
	if err != nil {
		return side{}, err
	}
	defer kernels.RemoveTree(dir)
	f, err := os.Create(log)
	if err != nil {
		return side{}, err
	}
	defer f.Close()
	own := *pkg // evaluating it may teach it its name
	began := time.Now()
	conf, err := own.Evaluate(ctx, tree)
	if err == nil && len(conf.Depends) > 0 {
		return side{Verdict: broken, Reason: "needs " + strings.Join(conf.Depends, ", ") + " (BUILD_DEPENDS), which nobody gave it"}, nil
	}
	var art *kbuild.Artifact
	if err == nil {
		art, err = dkms.Build(ctx, dkms.Request{Tree: tree, Package: &own, Conf: conf, Dir: dir, Jobs: c.jobs, Log: f})
	}
	if ctx.Err() != nil {
		return side{}, ctx.Err()
	}
	s := side{Seconds: time.Since(began).Seconds(), Log: log}
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

// installedNames names the modules as dkms keeps them, sorted.
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
	slices.Sort(names)
	return names
}
