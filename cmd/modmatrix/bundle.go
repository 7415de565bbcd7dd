package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/results/report"
)

func bundleCommand(a *app) *cobra.Command {
	var s specFlags
	var archs []string
	var out string
	cmd := verb("bundle", func(cmd *cobra.Command, args []string) error {
		machines, err := machinesOf(archs)
		if err != nil {
			return err
		}
		cfg, err := s.config(cmd, args)
		if err != nil {
			return err
		}
		spec, err := cfg.Spec(s.Flags)
		if err != nil {
			return err
		}
		spec.Bundle = s.bundle
		return a.bundle(cmd.Context(), cfg, spec, out, machines)
	})
	s.whichKernels(cmd)
	s.whichGuest(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&s.Suites, "suite", nil, "`SUITE` to put in, a folder or a name; may be repeated (default lifecycle)")
	f.StringSliceVar(&archs, "arch", []string{arch.Host().Debian}, "`ARCHS` of testers' machines, separated by commas, in Debian's words")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write (default NAME.bundle.tar.zst)")
	return cmd
}

// machinesOf are the architectures that archs names in Debian's words, as uname -m says them.
func machinesOf(archs []string) (machines []string, err error) {
	for _, name := range archs {
		a, ok := arch.Named(name)
		if !ok || a.Debian != name {
			return nil, usage("--arch %s: guests can be made for %s", name, strings.Join(arch.Names(), ", "))
		}
		if !slices.Contains(machines, a.Name) {
			machines = append(machines, a.Name)
		}
	}
	if len(machines) == 0 {
		return nil, usage("--arch needs at least one of %s", strings.Join(arch.Names(), ", "))
	}
	return machines, nil
}

func (a *app) bundle(ctx context.Context, cfg config.Config, spec harness.Spec, out string, machines []string) error {
	text, left, err := cfg.Portable(spec)
	if err != nil {
		return err
	}
	r := harness.BundleRequest{Out: cmp.Or(out, bundleName(spec.Module)), Config: text, Archs: machines}
	lock, err := config.ReadLock(cfg.Lock)
	if err != nil {
		return err
	}
	if lock = lock.Portable(); len(lock.Selectors) > 0 {
		if r.Lock, err = lock.Encode(); err != nil {
			return err
		}
	}
	if info, err := os.Stat(r.Out); err == nil && info.IsDir() {
		return usage("-o %s is a folder: it is to be the file to write", r.Out)
	}
	var done *harness.Bundled
	err = a.watched(a.watch(ctx), func(h *harness.Harness) (err error) {
		done, err = h.Bundle(ctx, spec, r)
		return err
	})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		done.Notices = append(done.Notices, "left out, as nobody else has them: "+strings.Join(left, ", "))
	}
	return a.showBundled(done)
}

// bundleName is the name of a module's bundle where nobody gives one.
func bundleName(module string) string {
	name := filepath.Base(module)
	if abs, err := filepath.Abs(module); err == nil {
		name = filepath.Base(abs)
	}
	name, _, _ = strings.Cut(name, "@")
	for _, ending := range []string{".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".zip", ".deb", ".tar"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name + ".bundle.tar.zst"
}

func (a *app) showBundled(b *harness.Bundled) error {
	if a.json {
		return a.encode(b)
	}
	a.note(b.Notices...)
	about := b.Module.Name
	if b.Module.Version != "" {
		about += " " + b.Module.Version
	}
	fmt.Fprintf(a.Stdout, "%s · source %s\n\n", results.Plain(about), b.Module.SourceDigest)
	for _, p := range b.Parts {
		fmt.Fprintf(a.Stdout, "  %-15s %-9s  %s\n", results.Plain(p.Name), results.Plural(p.Files, "file"), report.Bytes(p.Bytes))
	}
	fmt.Fprintf(a.Stdout, "\n%s  %s  sha256:%s\n", fromHere(b.Path), report.Bytes(b.Bytes), b.SHA256)
	fmt.Fprintf(a.Stdout, "suites %s; guests of %s\n", results.Plain(strings.Join(b.Suites, ", ")), strings.Join(b.Archs, ", "))
	_, err := fmt.Fprintf(a.Stdout, "a tester types: modmatrix run %s\n", filepath.Base(b.Path))
	return err
}
