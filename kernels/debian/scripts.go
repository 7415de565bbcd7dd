package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// scriptParts are what is kept of a kernel's source: its scripts, and what they read. Not every series has all of them.
var scriptParts = []string{".clang-format", ".get_maintainer.ignore", ".mailmap", "COPYING", "CREDITS", "Kbuild", "Kconfig", "MAINTAINERS", "Makefile", "README",
	"Documentation/dev-tools", "Documentation/devicetree/bindings", "Documentation/process", "LICENSES", "include", "scripts", "tools/docs", "tools/lib/python"}

// scriptFolders are by which the scripts know the top of a kernel's source (Linux scripts/checkpatch.pl, top_of_kernel_tree), and which are
// empty here.
var scriptFolders = []string{"arch", "drivers", "fs", "init", "ipc", "kernel", "lib"}

// mainScript is in every series that the archive has.
const mainScript = "scripts/checkpatch.pl"

// SourceTarball obtains the package of the source of t's series, and returns the path of the tarball in it and the package's version.
// Errors wrap kernels.ErrNoMatch where the archive has none, and kernels.ErrUnavailable where it cannot be had.
func (s *Source) SourceTarball(ctx context.Context, t kernels.Target) (file, version string, err error) {
	deb, err := s.sourceDeb(ctx, t)
	if err != nil {
		return "", "", err
	}
	found, err := filepath.Glob(filepath.Join(deb.Dir, "usr/src", deb.Name+".tar.*"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s %s holds no tarball of the kernel's source where it is expected", deb.Name, deb.Version)
	}
	if err != nil {
		return "", "", err
	}
	return found[0], deb.Version, nil
}

func (s *Source) sourceDeb(ctx context.Context, t kernels.Target) (*Deb, error) {
	source, suite := t.Origin()
	if source != "debian" {
		suite = t.Suite
	}
	if suite == "" {
		return nil, fmt.Errorf("%w: %s is of no suite of Debian, from which to take the source of its series", kernels.ErrNoMatch, t.Release)
	}
	return s.own().Deb(ctx, suite, "linux-source-"+seriesOf(t.Version))
}

// Scripts returns the scripts of the source of t's series, and what they read, as they lie at the top of a kernel's source: checkpatch,
// get_maintainer, spdxcheck, kernel-doc, coccicheck with its semantic patches, and the rest of them. Errors are those of SourceTarball.
func (s *Source) Scripts(ctx context.Context, t kernels.Target) (kernels.Scripts, error) {
	deb, err := s.sourceDeb(ctx, t)
	if err != nil {
		return kernels.Scripts{}, err
	}
	dir, _, err := s.store.Fill(ctx, "scripts", deb.SHA256, func(dir string) error {
		file, version, err := s.SourceTarball(ctx, t)
		if err == nil {
			err = unpackScripts(ctx, file, filepath.Join(dir, "linux"))
		}
		return errors.Join(err, store.SetTitle(dir, "scripts of "+deb.Name+" "+version))
	})
	if err != nil {
		return kernels.Scripts{}, fmt.Errorf("fetch the scripts of %s: %w", deb.Name, kernels.Unavailable(ctx, err))
	}
	return kernels.Scripts{Dir: filepath.Join(dir, "linux"), Version: deb.Version}, nil
}

// unpackScripts takes out of a kernel's tarball what it has of scriptParts.
func unpackScripts(ctx context.Context, file, dir string) error {
	args := []string{"-x", "-f", file, "-C", dir, "--strip-components=1", "--no-same-owner", "--wildcards", "--no-wildcards-match-slash", "--anchored"}
	for _, part := range scriptParts {
		args = append(args, "*/"+part)
	}
	for _, name := range append([]string{"."}, scriptFolders...) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	_, err := tools.Run(ctx, tools.Command(ctx, "tar", args...))
	if tool, ok := errors.AsType[*kernels.ToolError](err); ok && onlyAbsent(tool.Output) {
		err = nil
	}
	if err == nil && firstIn(dir, mainScript) == "" {
		err = fmt.Errorf("the source has no %s", mainScript)
	}
	return err
}

// onlyAbsent reports whether tar complains of nothing but parts that the series does not have.
func onlyAbsent(said string) bool {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasSuffix(line, ": Not found in archive") && !strings.HasSuffix(line, "Exiting with failure status due to previous errors") {
			return false
		}
	}
	return said != ""
}
