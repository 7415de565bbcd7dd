package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

var errNothing = errors.New("there is nothing to put in")

// WithPackages returns tree with a root that has what needs asks for besides: each is a relation as the field Depends of a package has
// it, with alternatives and versions (deb-control(5)), and apt decides what meets it. What the suite has in no version that is
// allowed is taken in any; what it has not at all is left out. So the caller looks what is there, in the root's
// /var/lib/dpkg/status. The root is kept in the store. A tree whose root is of no suite is answered as it is.
//
// Errors wrap kernels.ErrUnavailable, unless ctx ended: the archive cannot be reached, its packages do not go together.
func (s *Source) WithPackages(ctx context.Context, tree *kernels.Tree, needs []string, report func(kernels.Progress)) (*kernels.Tree, error) {
	if len(needs) == 0 || tree.Target.Suite == "" || tree.Root.Dir == "" {
		return tree, nil
	}
	if report == nil {
		report = func(kernels.Progress) {}
	}
	source, name := tree.Target.Origin()
	if source != "debian" {
		name = tree.Target.Suite
	}
	own := s.own() // folders are made in it
	root, err := own.rootWith(ctx, own.state(name, build), tree.Target, tree.Root.Dir, slices.Sorted(slices.Values(needs)), report)
	if errors.Is(err, errNothing) {
		return tree, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s for %s: %w", strings.Join(needs, ", "), tree.Target.Release, kernels.Unavailable(ctx, err))
	}
	return rerooted(tree, root)
}

// rerooted is tree in another root. The tree covers the root's /usr/src: what packages laid there is laid over it again.
func rerooted(tree *kernels.Tree, root kernels.Root) (*kernels.Tree, error) {
	next := *tree
	next.Mounts = slices.Clone(tree.Mounts)
	for _, m := range tree.Mounts {
		if err := os.MkdirAll(filepath.Join(root.Dir, m.Guest), 0o755); err != nil {
			return nil, fmt.Errorf("open tree: %w", err)
		}
	}
	sources, err := os.ReadDir(filepath.Join(root.Dir, "usr/src"))
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	for _, e := range sources {
		if guest := "/usr/src/" + e.Name(); e.IsDir() && guest != tree.KDIR && !strings.HasPrefix(e.Name(), "linux-") {
			next.Mounts = append(next.Mounts, kernels.Mount{Host: filepath.Join(root.Dir, guest), Guest: guest})
		}
	}
	root.Make = tree.Root.Make
	next.Root = root
	return &next, nil
}

// further are mmdebstrap's arguments for pkgs on top of the root at from: half the work of a new one. The copy is made by who may read it.
func further(from string, pkgs []string) []string {
	return []string{"--variant=custom", "--setup-hook=sync-in '" + strings.ReplaceAll(from, "'", `'\''`) + "' /",
		`--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends -oDPkg::Chroot-Directory="$1" install -- ` + strings.Join(pkgs, " ")}
}

// meeting names the packages that meet needs in the root at the host path from, which is of base, with all that these need.
func (st *state) meeting(ctx context.Context, dir, base, from string, needs []string) ([]string, error) {
	unlock, err := st.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer unlock()
	mark := st.stamp()
	sources := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(sources, []byte(mark.Archives.sources(rootLines(st.suite, base, mark.Lines), st.src.cfg.Keyring, build.Debian)), 0o644); err != nil {
		return nil, err
	}
	defer os.Remove(sources)
	if names, err := st.satisfy(ctx, sources, from, needs); err == nil || !impossible(err) {
		return names, err
	}
	var met []string
	for _, need := range needs {
		for _, text := range slices.Compact([]string{need, anyVersion.ReplaceAllString(need, "")}) {
			_, err := st.satisfy(ctx, sources, from, []string{text})
			if err == nil {
				met = append(met, text)
			}
			if err == nil || errors.Is(err, errNothing) {
				break
			}
			if !impossible(err) {
				return nil, err
			}
		}
	}
	if len(met) == 0 {
		return nil, errNothing
	}
	names, err := st.satisfy(ctx, sources, from, met)
	if err != nil && impossible(err) {
		err = fmt.Errorf("%s do not go together in %s", strings.Join(met, ", "), base)
	}
	return names, err
}

var (
	// anyVersion is what a relation says of versions.
	anyVersion = regexp.MustCompile(`\s*\([^)]*\)`)
	// toInstall is how apt names a package that it would install.
	toInstall = regexp.MustCompile(`(?m)^Inst (\S+) `)
	// unmet is how it says that there is nothing to install.
	unmet = regexp.MustCompile(`(?m)^E: (Unable to correct problems|Unable to satisfy|Unmet dependencies|Broken packages)`)
)

// impossible reports whether apt could be asked, and saw no way.
func impossible(err error) bool {
	tool, ok := errors.AsType[*kernels.ToolError](err)
	return ok && unmet.MatchString(tool.Output)
}

// satisfy asks apt what it would install in the root at the host path from, to meet needs. Nothing is errNothing.
func (st *state) satisfy(ctx context.Context, sources, from string, needs []string) ([]string, error) {
	args := []string{"satisfy", "-q", "--simulate", "--no-install-recommends", "-o", "Dir::Etc::sourcelist=" + sources,
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		"-o", "Dir::State::status=" + filepath.Join(from, "var/lib/dpkg/status"), "--"}
	out, err := st.apt(ctx, "apt-get", append(args, needs...)...)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range toInstall.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if slices.Sort(names); len(names) == 0 {
		return nil, errNothing
	}
	return slices.Compact(names), nil
}
