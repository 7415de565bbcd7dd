package dkms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// maxDepth is how many folders deep a source may lie in an archive.
const maxDepth = 4

// Open finds the module's source at path: a folder, with a dkms.conf or with Kbuild files alone; a -dkms .deb; an archive that
// `dkms mktarball` made; any other tarball; or PATH@REV, a revision of a git repository that is a folder or a URL. What has to
// be unpacked is unpacked below work, a folder of the caller's to keep as long as the package and to remove after.
//
// A *kbuild.SourceError says what is wrong with what was given, and the cure. Nothing in path is run.
func Open(ctx context.Context, path, work string) (*Package, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if repository, rev, ok := gitName(path); ok {
			return openGit(ctx, repository, rev, work)
		}
		return nil, &kbuild.SourceError{Path: path, Problem: "no such file or folder", Cure: "give a folder, a -dkms .deb, a tarball or REPOSITORY@REVISION"}
	}
	if err != nil {
		return nil, fmt.Errorf("open module: %w", err)
	}
	p := &Package{Kind: Folder}
	switch {
	case info.IsDir():
		if p.Source, err = filepath.Abs(path); err != nil {
			return nil, err
		}
	case !info.Mode().IsRegular():
		return nil, &kbuild.SourceError{Path: path, Problem: "neither a file nor a folder", Cure: "give a folder, a -dkms .deb or a tarball"}
	default:
		if p, err = openArchive(ctx, path, work); err != nil {
			return nil, err
		}
	}
	return p.look(path, work)
}

// look learns what the source that was found is. Errors name what was given.
func (p *Package) look(given, work string) (*Package, error) {
	p.work = work
	if err := p.identify(); err != nil {
		return nil, err
	}
	if p.Kind != Deb {
		if err := p.learnNeeds(); err != nil {
			return nil, err
		}
	}
	if err := p.check(given); err != nil {
		return nil, err
	}
	return p, nil
}

// check refuses what holds no module, with the cure.
func (p *Package) check(given string) error {
	if p.HasConf {
		return nil
	}
	err := kbuild.CheckSource(p.Source)
	if wrong := (*kbuild.SourceError)(nil); p.Kind != Folder && errors.As(err, &wrong) {
		return &kbuild.SourceError{Path: given, Problem: "holds no " + ConfName + ", and " + wrong.Problem, Cure: "give an archive of a module's source"}
	}
	return err
}

// openArchive unpacks the file at path into work and finds the source in there.
func openArchive(ctx context.Context, path, work string) (*Package, error) {
	to := filepath.Join(work, "source")
	if err := os.Mkdir(to, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for source: %w", err)
	}
	if strings.HasSuffix(path, ".deb") {
		if err := unpackDeb(ctx, path, to); err != nil {
			return nil, err
		}
		p, err := findInDeb(path, to)
		if err == nil {
			p.Needs, err = debNeeds(ctx, path)
		}
		return p, err
	}
	if err := unpackTarball(path, to); err != nil {
		return nil, err
	}
	return findInTarball(path, to)
}

// findInDeb finds the one package below usr/src of an unpacked .deb.
func findInDeb(given, dir string) (*Package, error) {
	confs, err := filepath.Glob(filepath.Join(dir, "usr/src/*", ConfName))
	if err != nil {
		return nil, err
	}
	switch len(confs) {
	case 0:
		return nil, &kbuild.SourceError{Path: given, Problem: "holds no /usr/src/NAME-VERSION/" + ConfName, Cure: "give a package whose name ends in -dkms"}
	case 1:
		return &Package{Kind: Deb, Source: filepath.Dir(confs[0])}, nil
	}
	var names []string
	for _, conf := range confs {
		names = append(names, filepath.Base(filepath.Dir(conf)))
	}
	return nil, &kbuild.SourceError{Path: given, Problem: "holds " + strings.Join(names, " and "), Cure: "unpack it and give one of their folders"}
}

// findInTarball finds the source in an unpacked archive: where `dkms mktarball` puts it, else the topmost dkms.conf, else the
// folder that everything lies in.
func findInTarball(given, dir string) (*Package, error) {
	if _, err := os.Stat(filepath.Join(dir, "dkms_source_tree", ConfName)); err == nil {
		return &Package{Kind: Archive, Source: filepath.Join(dir, "dkms_source_tree")}, nil
	}
	for _, name := range []string{"dkms_main_tree", "dkms_binaries_only"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil, &kbuild.SourceError{Path: given, Problem: "is a dkms archive without source", Cure: "make it anew without --binaries-only"}
		}
	}
	confs, err := findConfs(dir)
	if err != nil {
		return nil, fmt.Errorf("look through %s: %w", given, err)
	}
	if len(confs) > 0 {
		return &Package{Kind: Tarball, Source: filepath.Join(dir, path.Dir(confs[0]))}, nil
	}
	for range maxDepth {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || !entries[0].IsDir() {
			break
		}
		dir = filepath.Join(dir, entries[0].Name())
	}
	return &Package{Kind: Tarball, Source: dir}, nil
}

// findConfs lists the dkms.conf files below dir, the topmost first.
func findConfs(dir string) ([]string, error) {
	var confs []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.Count(name, "/") >= maxDepth:
			return fs.SkipDir
		case d.Name() == ConfName && d.Type().IsRegular():
			confs = append(confs, name)
		}
		return nil
	})
	slices.SortStableFunc(confs, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return confs, err
}
