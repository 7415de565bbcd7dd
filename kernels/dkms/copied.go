package dkms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// Bundled is the kind of a package that OpenCopy opened.
const Bundled Kind = "bundle"

// Copied is what files alone do not say of a copy of a package. It is plain data, and may be a stranger's.
type Copied struct {
	Folder string            `json:"folder,omitempty"` // of the module, inside the copy; empty for its top
	Git    map[string]string `json:"git,omitempty"`    // what git answers, by digest, for each folder whose .git was copied
	Needs  []string          `json:"needs,omitempty"`  // as Package has them
}

// Copy copies the package's Files into the empty folder to, and returns what OpenCopy has to know besides. notes say what had to be
// left out.
func (p *Package) Copy(ctx context.Context, to string) (c Copied, notes []string, err error) {
	strays, err := p.Files.Copy(ctx, to)
	if err != nil {
		return c, nil, err
	}
	c = Copied{Folder: p.Files.Folder, Needs: p.Needs}
	for at, git := range p.Files.Git {
		if c.Git == nil {
			c.Git = map[string]string{}
		}
		c.Git[at] = git.Digest
	}
	return c, kbuild.StraysNote(strays), nil
}

// OpenCopy opens the package that Copy made a copy of, which lies in the folder top: it has the same digest, and is built in the
// same way. work is as in Open. The name of the folder that the package lay in is that of top, or the last one of c.Folder.
//
// A *kbuild.SourceError says what is wrong with it. Nothing in top is run, and no git is asked.
func OpenCopy(top, work string, c Copied) (*Package, error) {
	if err := c.check(); err != nil {
		return nil, &kbuild.SourceError{Path: top, Problem: err.Error(), Cure: "get it anew"}
	}
	p := &Package{Kind: Bundled, Source: filepath.Join(top, c.Folder), Needs: c.Needs, work: work}
	if err := p.identify(); err != nil {
		return nil, err
	}
	if !p.HasConf {
		if err := kbuild.CheckSource(p.Source); err != nil {
			return nil, err
		}
	}
	p.Files = kbuild.Source{Top: top, Folder: c.Folder, Tracked: map[string]bool{}}
	for at, digest := range c.Git {
		if p.Files.Git == nil {
			p.Files.Git = map[string]kbuild.Git{}
		}
		p.Files.Git[at] = kbuild.Git{Dir: filepath.Join(top, at, ".git"), Digest: digest}
	}
	return p, p.trackAll(top)
}

// trackAll has what looks like a product taken for what it is: a copy holds none.
func (p *Package) trackAll(top string) error {
	err := fs.WalkDir(os.DirFS(top), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && kbuild.IsProduct(path.Base(name)) {
			p.Files.Tracked[name] = true
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	return nil
}

var gitDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (c Copied) check() error {
	if c.Folder != "" && (!filepath.IsLocal(c.Folder) || path.Clean(c.Folder) != c.Folder || c.Folder == "." || !kbuild.PlainFolder(c.Folder)) {
		return fmt.Errorf("names the folder %q", clean(c.Folder))
	}
	for at, digest := range c.Git {
		if !filepath.IsLocal(at) || path.Clean(at) != at || !gitDigest.MatchString(digest) {
			return fmt.Errorf("names the git folder %q", clean(at))
		}
	}
	for _, need := range c.Needs {
		if !plainNeed.MatchString(need) {
			return errors.New("depends on " + clean(need) + ", which is no package's name")
		}
	}
	return nil
}
