package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
	"github.com/modmatrix/modmatrix/results/wire"
)

// Bundle is a bundle that was unpacked in a private folder. What is in it is a stranger's.
type Bundle struct {
	Path   string // the file, as the user names it
	Dir    string // the folder
	SHA256 string // of the file
	Tool   string // that made it, by its own word
	// Ignored is what of its configuration does not count, in a sentence; empty for nothing.
	Ignored string

	body  bundleBody
	ready []initramfs.Ready
	close func()
}

// bundledPackage is a package's source in a bundle.
type bundledPackage struct {
	Dir string `json:"dir"`
	dkms.Copied
	Links []bundledLink `json:"links,omitempty"` // below Dir
}

// bundledLink is a symbolic link, relative.
type bundledLink struct {
	Name   string `json:"name"`
	Target string `json:"target"`
}

// IsBundle reports whether the file at path is a bundle, or says that it is: also one that is damaged, or newer, and what a tester sent.
func IsBundle(path string) bool { return evidence.Claims(path) != "" }

// OpenBundle unpacks the bundle at path in the store's work folder, and looks whether guests of it can be understood. Close removes it.
// What is wrong with the file is a *UsageError. cacheDir is as in Options.
func OpenBundle(ctx context.Context, cacheDir, path string) (_ *Bundle, err error) {
	st, err := store.Open(cacheDir)
	if err != nil {
		return nil, err
	}
	dir, release, err := st.WorkDir()
	if err != nil {
		return nil, err
	}
	b := &Bundle{Path: path, Dir: dir, close: sync.OnceFunc(release)}
	if err := b.unpack(ctx); err != nil {
		b.Close()
		if _, ok := errors.AsType[*evidence.Error](err); ok {
			return nil, &UsageError{err}
		}
		return nil, st.WithCure(err, "")
	}
	return b, nil
}

// Close removes the folder. It may be called again.
func (b *Bundle) Close() { b.close() }

// Suites are the names of the suites that came along.
func (b *Bundle) Suites() (names []string) {
	for _, r := range b.ready {
		if r.Suite != "" && !slices.Contains(names, r.Suite) {
			names = append(names, r.Suite)
		}
	}
	return names
}

// Ready are the files for guests that came along.
func (b *Bundle) Ready() []initramfs.Ready { return b.ready }

func (b *Bundle) unpack(ctx context.Context) error {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return fmt.Errorf("open work folder: %w", err)
	}
	defer root.Close()
	m, err := evidence.Unpack(ctx, b.Path, evidence.BundleSchema, root, evidence.BundleLimits)
	if err != nil {
		return err
	}
	if b.SHA256, err = kernels.FileSHA256(b.Path); err != nil {
		return err
	}
	b.Tool = m.Tool
	if json.Unmarshal(m.Body, &b.body) != nil || len(b.body.Packages) == 0 {
		return b.wrong("has a manifest that says not what it is of")
	}
	if b.body.Protocol != wire.Protocol() {
		return &evidence.Error{Path: b.Path, Problem: fmt.Sprintf("was made by %s, whose guests speak another protocol (%s) than this modmatrix (%s)", b.Tool, results.Plain(fmt.Sprintf("%.20s", b.body.Protocol)), wire.Protocol()),
			Cure: "take " + b.Tool + " for it, or ask for a bundle that this one made"}
	}
	for _, p := range b.body.Packages {
		if err := b.link(root, p); err != nil {
			return err
		}
	}
	return b.findReady(m.Files)
}

func (b *Bundle) wrong(format string, args ...any) error {
	return &evidence.Error{Path: b.Path, Problem: results.Plain(fmt.Sprintf(format, args...)), Cure: "ask for another one"}
}

// link makes the links of a package. They are made when all files are there, so nothing is written through one.
func (b *Bundle) link(root *os.Root, p bundledPackage) error {
	if !filepath.IsLocal(p.Dir) || path.Clean(p.Dir) != p.Dir {
		return b.wrong("holds a package in %.100q", p.Dir)
	}
	for _, l := range p.Links {
		if !filepath.IsLocal(l.Name) || path.IsAbs(l.Target) || !filepath.IsLocal(path.Join(path.Dir(l.Name), l.Target)) {
			return b.wrong("holds %.100q, a link to %.100q, which leads out of its source", l.Name, l.Target)
		}
		at := path.Join(p.Dir, l.Name)
		err := root.MkdirAll(path.Dir(at), 0o755)
		if err == nil {
			err = root.Symlink(l.Target, at)
		}
		if err != nil && store.IsFull(err) {
			return err
		} else if err != nil {
			return b.wrong("holds %.100q as a link, which cannot be there", l.Name)
		}
	}
	return nil
}

// findReady finds the files for guests, each by what the manifest says of it.
func (b *Bundle) findReady(files []evidence.Entry) error {
	known := map[string]evidence.Entry{}
	for _, e := range files {
		known[e.Name] = e
	}
	for _, g := range b.body.Guests {
		e, ok := known[g.Name]
		r := initramfs.Ready{Suite: g.Suite, Arch: g.Arch, SHA256: e.SHA256, Size: e.Size, Path: filepath.Join(b.Dir, g.Name)}
		if err := r.Check(); !ok || err != nil {
			return b.wrong("lacks %.100q, or names it badly", g.Name)
		}
		b.ready = append(b.ready, r)
	}
	return nil
}

// open opens the packages of the bundle: the module, and what that builds upon.
func (b *Bundle) open(work string) (all []*dkms.Package, err error) {
	for _, p := range b.body.Packages {
		top := filepath.Join(b.Dir, p.Dir)
		if info, err := os.Stat(top); err != nil || !info.IsDir() {
			return nil, &UsageError{b.wrong("lacks the folder %.100q", p.Dir)}
		}
		pkg, err := dkms.OpenCopy(top, work, p.Copied)
		if wrong, ok := errors.AsType[*kbuild.SourceError](err); ok {
			return nil, &UsageError{b.wrong("%s", strings.ReplaceAll(wrong.Problem, b.Dir+"/", ""))}
		} else if err != nil {
			return nil, err
		}
		all = append(all, pkg)
	}
	return all, nil
}

// git is the commit that the source was, by the word of who made the bundle.
func (b *Bundle) git() *results.Git {
	if g := b.body.Module.Git; g != nil && commitHash.MatchString(g.Commit) {
		return g
	}
	return nil
}

var commitHash = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

// holds holds the digest of the source that was found to what the manifest says: another version may take it in another way.
func (b *Bundle) holds(digest string) error {
	if digest != b.body.Module.SourceDigest {
		return &UsageError{&evidence.Error{Path: b.Path, Problem: "holds a source of another digest than its manifest says", Cure: "take " + b.Tool + " for it, which made it"}}
	}
	return nil
}
