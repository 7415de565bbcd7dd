package dkms

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// maxText bounds a file that is looked through for what it refers to, in bytes.
const maxText = 4 << 20

// Gather finds what belongs to the package's source besides its folder, as far as texts and links in it say so, and sets Files: sibling
// folders, files under version control that look like products, and what git answers where it is asked. given are the folders of further
// packages that the user names: the source may refer to them. What is reached lies in the repository that the folder is part of, in the
// archive that it came in, or, without these, right beside the folder; nothing of the user's home as such, and nothing that another user owns.
//
// A package with a dkms.conf is its folder alone, as for dkms. Close removes what Gather made.
func (p *Package) Gather(ctx context.Context, exclude, omit, given []string) error {
	dir, err := filepath.EvalSymlinks(p.Source)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	g := gatherer{p: p, dir: dir, alone: kbuild.Source{Top: dir, Exclude: exclude, Omit: omit}}
	for _, folder := range given {
		if real, err := filepath.EvalSymlinks(folder); err == nil {
			g.given = append(g.given, real)
		}
	}
	p.Files = g.alone
	p.Files.Top = p.Source
	defer g.close()
	if err := g.scan(ctx, dir); err != nil {
		return err
	}
	if len(g.leaving) > 0 || g.git || len(g.products) > 0 {
		if err := g.follow(ctx); err != nil {
			return err
		}
		if err := g.settle(ctx); err != nil {
			return err
		}
	}
	return g.hideGit()
}

// gatherer looks for what belongs to a source. Its paths are absolute and without links.
type gatherer struct {
	p        *Package
	dir      string // the module's
	alone    kbuild.Source
	given    []string
	scope    scope
	repo     *git.Repo // that dir lies in; nil for none
	parts    []string  // beside dir
	leaving  []string  // paths outside of what was looked through so far
	git, top bool      // it asks git; and where the whole begins
	nested   []string  // folders with a .git of their own
	products []string  // files that look like what a build leaves
}

func (g *gatherer) close() {
	if g.repo != nil {
		g.repo.Close()
	}
}

// scan looks through the folder or file at, which lies below dir or is one of the parts.
func (g *gatherer) scan(ctx context.Context, at string) error {
	root, err := os.OpenRoot(filepath.Dir(at))
	if err != nil {
		return nil // it is not to be read: the copy will say so
	}
	defer root.Close()
	begin, files := filepath.Base(at), 0
	return fs.WalkDir(root.FS(), begin, func(name string, d fs.DirEntry, err error) error {
		path := filepath.Join(filepath.Dir(at), name)
		rel, relErr := filepath.Rel(g.dir, path)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return nil
		case d.Name() == ".git":
			g.nested = append(g.nested, filepath.Dir(path))
			return skip(d)
		case name != begin && relErr == nil && filepath.IsLocal(rel) && !g.alone.Has(rel), strings.Count(name, "/") > maxNested:
			return skip(d)
		case d.Type() == fs.ModeSymlink:
			if target, err := root.Readlink(name); err == nil {
				g.refer(path, target)
			}
		case d.Type().IsRegular():
			files++
			return g.read(root, name, path)
		}
		return nil
	})
}

// skip leaves an entry out of a walk.
func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// read looks through one file.
func (g *gatherer) read(root *os.Root, name, at string) error {
	if kbuild.IsProduct(path.Base(name)) {
		g.products = append(g.products, at)
		return nil
	}
	text, err := kernels.ReadRegular(root, name, maxText)
	if err != nil {
		return nil
	}
	ref := kbuild.Refers(name, string(text))
	g.git, g.top = g.git || ref.Git, g.top || ref.Top
	for _, path := range ref.Paths {
		g.refer(at, path)
		g.leave(filepath.Join(g.dir, path))
	}
	return nil
}

// refer notes that the file at refers to target.
func (g *gatherer) refer(at, target string) {
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(at), target)
	}
	g.leave(target)
}

// leave notes a path, unless it is part of the source anyway.
func (g *gatherer) leave(to string) {
	if !g.covers(to) && !slices.Contains(g.leaving, to) {
		g.leaving = append(g.leaving, to)
	}
}

func (g *gatherer) covers(at string) bool {
	return below(g.dir, at) || slices.ContainsFunc(g.parts, func(part string) bool {
		return below(part, at) || part == filepath.Join(filepath.Dir(at), "*")
	})
}

// below reports whether at is dir, or lies in it.
func below(dir, at string) bool { return at == dir || dir == "/" || strings.HasPrefix(at, dir+"/") }

// follow adds what the source refers to, and what that refers to.
func (g *gatherer) follow(ctx context.Context) error {
	if err := g.findScope(ctx); err != nil {
		return err
	}
	if c := g.p.checkout; c != nil && c.folder != "" && len(g.leaving) > 0 && !g.p.HasConf {
		notes, err := c.rest(ctx)
		if err != nil {
			return err
		}
		g.p.Notes = append(g.p.Notes, notes...)
	}
	if g.top && g.scope.whole {
		g.leave(g.scope.top)
	}
	for len(g.leaving) > 0 {
		to := g.leaving[0]
		g.leaving = g.leaving[1:]
		part := g.part(to)
		if part == "" || g.covers(part) {
			continue
		}
		g.parts = append(g.parts, part)
		files := []string{part}
		if folder, ok := strings.CutSuffix(part, "/*"); ok {
			files = filesIn(folder)
		}
		for _, file := range files {
			if err := g.scan(ctx, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// filesIn are the files and links in a folder.
func filesIn(folder string) (files []string) {
	entries, _ := os.ReadDir(folder) // what cannot be read is not copied either
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	return files
}

// part is what becomes part of the source where it refers to the path to: the folder that this is or lies in; of a folder that the module's
// own lies in, too, its files. It is empty for what is out of reach, or not there.
func (g *gatherer) part(to string) string {
	if !g.reaches(to) {
		return ""
	}
	info, err := os.Lstat(to)
	folder := filepath.Dir(to)
	if err == nil && info.IsDir() {
		folder = to
	}
	around := below(folder, g.dir)
	switch there, folderErr := os.Lstat(folder); {
	case folderErr != nil || !there.IsDir() || !below(g.scope.top, folder) && !g.isGiven(folder):
		return ""
	case !around:
		return folder
	case folder == to && g.scope.whole:
		return folder
	case folder == to || err != nil && !madeFrom(to):
		return ""
	case g.scope.whole:
		return filepath.Join(folder, "*")
	case err == nil:
		return to
	}
	return ""
}

// madeFrom reports whether something at the path to could become a file of that name: x.c for x.o.
func madeFrom(to string) bool {
	stem := strings.TrimSuffix(filepath.Base(to), filepath.Ext(to))
	return slices.ContainsFunc(filesIn(filepath.Dir(to)), func(file string) bool { return strings.HasPrefix(filepath.Base(file), stem+".") })
}

func (g *gatherer) isGiven(at string) bool {
	return slices.ContainsFunc(g.given, func(folder string) bool { return below(folder, at) })
}

// settle sets the package's Files.
func (g *gatherer) settle(ctx context.Context) error {
	f := &g.p.Files
	f.Tracked = map[string]bool{}
	top := g.dir
	for _, part := range g.parts {
		top = common(top, strings.TrimSuffix(part, "/*"))
	}
	switch {
	case g.git && g.repo != nil:
		top = common(top, g.repo.Top())
	case g.git && g.p.checkout != nil:
		top = common(top, g.scope.top)
	}
	folder := within(top, g.dir)
	if !kbuild.PlainFolder(folder) {
		g.p.Notes = append(g.p.Notes, fmt.Sprintf("what %q refers to outside is not copied: make cannot build in a folder of that name", clean(folder)))
		top, folder, g.parts = g.dir, "", nil
	}
	if folder != "" {
		f.Top, f.Folder, f.Parts = top, folder, []string{folder}
		for _, part := range g.parts {
			f.Parts = append(f.Parts, path.Join(".", within(top, part)))
		}
		slices.Sort(f.Parts)
		g.p.Notes = append(g.p.Notes, g.partsNote(top)...)
	}
	return g.versions(ctx, top)
}

// within is the path of at in the folder top; empty for top itself.
func within(top, at string) string { return strings.TrimPrefix(strings.TrimPrefix(at, top), "/") }

// common is the deepest folder that both lie in.
func common(a, b string) string {
	for !below(a, b) {
		a = filepath.Dir(a)
	}
	return a
}

func (g *gatherer) partsNote(top string) []string {
	if len(g.parts) == 0 || g.p.Kind != Folder {
		return nil
	}
	var names []string
	for _, part := range g.parts {
		name, _ := filepath.Rel(g.dir, part)
		names = append(names, clean(name))
	}
	slices.Sort(names)
	return []string{"the source refers to " + strings.Join(names, ", ") + ", which is copied with it"}
}
