package explain

import (
	"context"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

// Names are what the build of a record, whose artifacts lie in dir, did not find as it expected it.
func Names(rec results.Record, dir string) []results.Ident {
	return api.Faults(buildLog(rec, dir) + "\n" + rec.Reason)
}

// Target is a record's kernel as far as the record describes it.
func Target(t results.Target) kernels.Target {
	return kernels.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Profile: t.Profile, Source: t.Source}
}

// Compare says how the headers of two kernels differ in names. Both must be in the store; stored are sources of an offline Spec.
func Compare(ctx context.Context, stored map[string]harness.Source, old, fresh kernels.Target, names []results.Ident) ([]results.Change, error) {
	var found [2]*api.Headers
	for i, t := range []kernels.Target{old, fresh} {
		tree, err := storedTree(ctx, stored, t)
		if err == nil {
			found[i], err = api.Open(tree)
		}
		if err != nil {
			return nil, fmt.Errorf("the headers of %s cannot be read: %w", harness.Label(t), err)
		}
	}
	return api.Compare(found[0], found[1], names), nil
}

// storedTree is a tree that is there already. It downloads and compiles nothing.
func storedTree(ctx context.Context, stored map[string]harness.Source, t kernels.Target) (*kernels.Tree, error) {
	kind, _ := t.Origin()
	source := stored[kind]
	if source == nil || kind == "git" || kind == "tar" {
		return nil, fmt.Errorf("kernels of %q are not kept as headers", kind)
	}
	if len(t.Packages) == 0 {
		var err error
		if t, err = resolveAgain(ctx, source, t); err != nil {
			return nil, err
		}
	}
	return source.Fetch(ctx, t, func(kernels.Progress) {})
}

func resolveAgain(ctx context.Context, source harness.Source, t kernels.Target) (kernels.Target, error) {
	sel, err := kernels.ParseSelector(t.Source)
	if err != nil {
		return t, err
	}
	if sel.Source == "debian" {
		sel.Version, sel.Flavour = t.Version, t.Flavour
	}
	res, err := source.Resolve(ctx, sel)
	if err != nil {
		return t, err
	}
	i := slices.IndexFunc(res.Targets, func(o kernels.Target) bool { return o.Release == t.Release })
	if i < 0 {
		return t, fmt.Errorf("%w: %s is another kernel by now", kernels.ErrUnavailable, sel)
	}
	return res.Targets[i], nil
}
