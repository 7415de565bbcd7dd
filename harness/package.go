package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/packaging"
	"github.com/modmatrix/modmatrix/results"
)

// PackageRequest says what package to make of the module of a Spec. It is plain data but for Log and Progress.
type PackageRequest struct {
	Kind       packaging.Kind
	Results    *results.Results // what was measured; nil: nothing
	Asked      bool             // the user named these Results: where they are of another source that is an error, else they say nothing
	Version    string           // of the package; empty: the source's own
	Maintainer string           // "Name <mail>"; empty: the user, as the environment or git has it
	Out        string           // the folder for it; empty: beside the module
	Log        io.Writer        // what the tools say
	Progress   func(kernels.Progress)
}

// rooter makes a root with some packages in it; the source of Debian's kernels does.
type rooter interface {
	Root(ctx context.Context, suite string, pkgs []string, report func(kernels.Progress)) (kernels.Root, error)
}

// Package makes a package of the module of spec. A *UsageError is a mistake of the caller.
func (h *Harness) Package(ctx context.Context, spec Spec, r PackageRequest) (packaging.Made, error) {
	spec.Suites = []string{Lifecycle}
	p, err := h.PlanModule(ctx, spec)
	if err != nil {
		return packaging.Made{}, err
	}
	defer p.Close()
	var notes []string
	if err := r.check(p); err != nil && r.Asked {
		return packaging.Made{}, &UsageError{err}
	} else if err != nil {
		notes, r.Results = append(notes, err.Error()+"; no range of kernels is declared"), nil
	}
	work, release, err := h.store.WorkDir()
	if err != nil {
		return packaging.Made{}, err
	}
	defer release()
	req := packaging.Request{Kind: r.Kind, Package: p.in.module, Title: p.Module.Name, Results: r.Results, Version: r.Version,
		Maintainer: cmp.Or(r.Maintainer, maintainer(ctx)), Tool: h.tool, Work: work, Log: r.Log}
	if req.Time, err = r.time(); err != nil {
		return packaging.Made{}, &UsageError{err}
	}
	if req.Out, err = r.out(spec.Module); err != nil {
		return packaging.Made{}, &UsageError{err}
	}
	req.Root = func(ctx context.Context) (root kernels.Root, err error) {
		archive, ok := h.sources(spec)["debian"].(rooter)
		if !ok {
			return root, errors.New("there is no archive of Debian to make a root with its tools of")
		}
		if root, err = archive.Root(ctx, packaging.Suite, r.Kind.Needs(), r.Progress); err != nil {
			err = fmt.Errorf("make a root with the tools of %s: %w", packaging.Suite, err)
		}
		return root, err
	}
	made, err := packaging.Make(ctx, req)
	if wrong := (*packaging.MissingError)(nil); errors.As(err, &wrong) {
		return made, &UsageError{err}
	}
	made.Notes = append(notes, made.Notes...)
	return made, asUsage(err, spec.Module)
}

// check says why nothing was measured that a package of p could declare.
func (r PackageRequest) check(p *Plan) error {
	switch {
	case r.Results == nil:
		return errors.New("there are no results of this module: modmatrix run first, or name them by --results")
	case r.Results.Module.SourceDigest != p.Module.SourceDigest:
		return fmt.Errorf("the results are of another source of %s: modmatrix run again", results.Plain(r.Results.Module.Name))
	}
	return nil
}

// time stands for every time in the package: as SOURCE_DATE_EPOCH says, else the day of the run, else that of every build.
func (r PackageRequest) time() (time.Time, error) {
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: it is a number of seconds since 1970", text)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if r.Results != nil && r.Results.Run.Started.Year() > 2000 {
		return r.Results.Run.Started.UTC().Truncate(24 * time.Hour), nil
	}
	return time.Unix(kbuild.Time, 0).UTC(), nil
}

// out is the folder for the package: the one that is asked for, else the one that the module lies in.
func (r PackageRequest) out(module string) (string, error) {
	if r.Out != "" {
		return r.Out, os.MkdirAll(r.Out, 0o755)
	}
	if _, err := os.Stat(module); err != nil { // a revision, or a URL
		return os.Getwd()
	}
	abs, err := filepath.Abs(module)
	return filepath.Dir(abs), err
}

// maintainer is the user, as dch and git name him; empty where neither does.
func maintainer(ctx context.Context) string {
	name, mail := git.User(ctx)
	name, mail = cmp.Or(os.Getenv("DEBFULLNAME"), name), cmp.Or(os.Getenv("DEBEMAIL"), mail)
	if name == "" || mail == "" {
		return ""
	}
	return name + " <" + mail + ">"
}
