package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/packaging"
	"github.com/modmatrix/modmatrix/results"
)

// packageForms are the kinds of package, each with what it is.
var packageForms = []struct {
	kind  packaging.Kind
	short string
	next  string // what to do with one, before its file's name
}{
	{packaging.Deb, "A -dkms package of Debian, made by debhelper", "modmatrix run -k debian:trixie+package "},
	{packaging.Tar, "An archive for dkms ldtarball", "modmatrix run -k debian:trixie+package "},
	{packaging.RPM, "A source package of RPM, with a spec of a kmod", "rpmbuild --rebuild "},
}

func packageCommand(a *app) *cobra.Command {
	var subs []*cobra.Command
	for _, form := range packageForms {
		var s specFlags
		var r harness.PackageRequest
		var measured string
		sub := &cobra.Command{
			Use:     string(form.kind) + " [MODULE]",
			Short:   form.short,
			Long:    form.short + ".\n\nWhat every kind of package has in common is in modmatrix package --help.",
			Example: fmt.Sprintf("  modmatrix package %s\n  modmatrix package %[1]s drv --results modmatrix-out -o dist", form.kind),
			Args:    atMost(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				spec, err := s.spec(cmd, args)
				if err != nil {
					return err
				}
				r.Kind = form.kind
				if r.Results, err = a.measured(measured); err != nil {
					return err
				}
				r.Asked = measured != ""
				return a.makePackage(cmd.Context(), spec, r, form.next)
			},
		}
		f := sub.Flags()
		f.StringVar(&measured, "results", "", "`RESULTS` that say which kernels to declare, a folder or a file (default "+harness.OutName+", where it is of this source)")
		f.StringVar(&r.Version, "package-version", "", "`VERSION` of the package (default: PACKAGE_VERSION, else MODULE_VERSION)")
		if form.kind != packaging.Tar {
			f.StringVar(&r.Maintainer, "maintainer", "", "`'NAME <MAIL>'` of its maintainer (default: $DEBFULLNAME and $DEBEMAIL, else as git has it)")
		}
		f.StringVarP(&r.Out, "output", "o", "", "`DIR` for the package (default: the folder that the module lies in)")
		f.BoolVar(&s.Offline, "offline", false, "never touch the network")
		s.trusts(sub)
		subs = append(subs, sub)
	}
	return group("package", "kind", subs...)
}

// measured reads the results at path; those of the usual folder where it is empty, if they are there.
func (a *app) measured(path string) (*results.Results, error) {
	if path == "" {
		if _, err := os.Stat(filepath.Join(harness.OutName, results.FileName)); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	res, _, err := a.findResults(cmp.Or(path, harness.OutName))
	return res, err
}

func (a *app) makePackage(ctx context.Context, spec harness.Spec, r harness.PackageRequest, next string) error {
	b := a.busyWith("making a package")
	r.Progress = func(p kernels.Progress) { b.with(p.What) }
	if a.verbose {
		r.Log = a.Stderr
	}
	h, err := a.harness(silence)
	if err != nil {
		b.done()
		return err
	}
	made, err := h.Package(ctx, spec, r)
	b.done()
	if err != nil {
		return err
	}
	a.note(made.Notes...)
	if a.json {
		return a.encode(made)
	}
	declares := "declares no kernels"
	if made.Kernels.Min != "" {
		declares = "for " + made.Kernels.String()
	}
	fmt.Fprintf(a.Stdout, "wrote %s: %s %s, %s\n", results.Plain(fromHere(made.File)), made.Name, made.Version, declares)
	fmt.Fprintln(a.Stdout, results.Plain("next: "+next+results.ShellLine(fromHere(made.File))))
	return nil
}
