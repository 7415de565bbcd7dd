package initramfs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// suiteFiles has go list print every file of a test binary, a folder a line; go's version covers the standard library.
const suiteFiles = `{{if not .Standard}}{{.Dir}}{{range .GoFiles}}	{{.}}{{end}}{{range .SFiles}}	{{.}}{{end}}{{range .HFiles}}	{{.}}{{end}}` +
	`{{range .EmbedFiles}}	{{.}}{{end}}{{range .TestGoFiles}}	{{.}}{{end}}{{range .XTestGoFiles}}	{{.}}{{end}}` +
	`{{range .TestEmbedFiles}}	{{.}}{{end}}{{range .XTestEmbedFiles}}	{{.}}{{end}}{{end}}`

// Digest is "sha256:…" over everything that Compile makes the package in dir from, at a fraction of its cost. An error
// only says that there is no digest.
func (s Suites) Digest(ctx context.Context, dir string) (string, error) {
	g, err := s.findGo(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	began := time.Now()
	if digest, ok := g.recall(); ok {
		return digest, nil
	}
	list, err := g.list(ctx)
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "suite 3 %s %s\n", g.tools.GOVERSION, strings.Join(guestEnv(s.of()), " "))
	for _, files := range list {
		for _, name := range files[1:] {
			if filepath.IsAbs(name) {
				continue // the generated main
			}
			if err := hashFile(sum, files[0], name); err != nil {
				return "", fmt.Errorf("digest suite: %w", err)
			}
		}
	}
	digest := fmt.Sprintf("sha256:%x", sum.Sum(nil))
	g.keep(digest, list, began)
	return digest, nil
}

// list has go list every folder of the test binary that is not the standard library's, with its files.
func (g *goFor) list(ctx context.Context) (list [][]string, err error) {
	work, err := os.MkdirTemp("", "modmatrix-suite-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	toList := []string{"sh", "-c", `exec "$@" >` + suiteList, "sh"}
	if err := g.run(ctx, work, toList, "list", "-buildvcs=false", "-deps", "-test", "-f", suiteFiles, "."); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(work, suiteList))
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			list = append(list, strings.Split(line, "\t"))
		}
	}
	return list, err
}

// noted is what a Digest found out. As long as all that it saw looks as it did then, it would find the same.
type noted struct {
	Digest  string   `json:"digest"`
	Folders []string `json:"folders"` // of the packages
	Looks   string   `json:"looks"`   // see looks
}

// settled is how old the youngest of what was seen must be for its looks to be believed: a file that is changed twice within one tick of
// the file system's clock looks the same.
var settled = 2 * time.Second

// recall returns the digest that was found before, if everything looks as it did.
func (g *goFor) recall() (digest string, ok bool) {
	var n noted
	text, err := os.ReadFile(g.memory())
	if err != nil || json.Unmarshal(text, &n) != nil {
		return "", false
	}
	looks, _, ok := g.looks(n.Folders)
	return n.Digest, ok && looks == n.Looks
}

// keep notes digest for recall; that it cannot costs only time. began is when the list was asked for.
func (g *goFor) keep(digest string, list [][]string, began time.Time) {
	n := noted{Digest: digest}
	for _, files := range list {
		within := slices.ContainsFunc(files[1:], func(name string) bool { return !filepath.IsAbs(name) && filepath.Base(name) != name })
		if within && !isBelow(files[0], g.tools.GOMODCACHE) {
			return // it embeds whole folders, in which something may appear
		}
		n.Folders = append(n.Folders, files[0])
	}
	slices.Sort(n.Folders)
	n.Folders = slices.Compact(n.Folders)
	looks, youngest, ok := g.looks(n.Folders)
	if !ok || began.Sub(youngest) < settled {
		return
	}
	n.Looks = looks
	text, err := json.Marshal(n)
	if err == nil && os.MkdirAll(filepath.Dir(g.memory()), 0o755) == nil {
		_ = renameio.WriteFile(g.memory(), text, 0o644)
	}
}

// memory is the file of what was noted for this package, go and architecture.
func (g *goFor) memory() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "digest 1 %q %q %q", g.tools, *g.module, guestEnv(g.of())))
	return filepath.Join(g.own(g.module), "digests", fmt.Sprintf("%x.json", sum[:16]))
}

// looks is a digest of how the folders look, everything in them, and what says which modules there are: by name, size, inode and times,
// without what is in a file. youngest is the time of the latest change. ok is false where looks say nothing.
func (g *goFor) looks(folders []string) (looks string, youngest time.Time, ok bool) {
	sum, seen := sha256.New(), map[string]bool{}
	look := func(path string) bool {
		if seen[path] {
			return true
		}
		seen[path] = true
		var at syscall.Stat_t
		if err := syscall.Lstat(path, &at); err != nil {
			fmt.Fprintf(sum, "%q is not there\n", path)
			return true
		}
		for _, t := range []syscall.Timespec{at.Mtim, at.Ctim} {
			if when := time.Unix(t.Unix()); when.After(youngest) {
				youngest = when
			}
		}
		fmt.Fprintf(sum, "%q %o %d %d %v %v\n", path, at.Mode, at.Size, at.Ino, at.Mtim, at.Ctim)
		return at.Mode&syscall.S_IFMT != syscall.S_IFLNK
	}
	for _, folder := range g.module.folders {
		for _, name := range []string{"go.mod", "go.sum", "go.work", "go.work.sum", "vendor", "vendor/modules.txt"} {
			if !look(filepath.Join(folder, name)) {
				return "", youngest, false
			}
		}
	}
	for _, folder := range folders {
		if !look(folder) || !g.lookIn(folder, look) {
			return "", youngest, false
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), youngest, true
}

// lookIn looks at everything in folder, and whether a folder above it became a module of its own.
func (g *goFor) lookIn(folder string, look func(path string) bool) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if !look(filepath.Join(folder, e.Name())) {
			return false
		}
	}
	for above := filepath.Dir(folder); slices.ContainsFunc(g.module.folders, func(root string) bool { return isBelow(above, root) }); above = filepath.Dir(above) {
		if !look(filepath.Join(above, "go.mod")) {
			return false
		}
	}
	return true
}
