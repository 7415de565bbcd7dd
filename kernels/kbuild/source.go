package kbuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// Source is what a module is built from: a folder of the host, and what of it is copied for a build.
type Source struct {
	Top     string            // the host folder; never written to
	Folder  string            // the module's, with its Makefile or Kbuild, inside Top, e.g. "drv"; empty for Top itself
	Parts   []string          // what of Top is copied: folders and files, and the files of a folder alone as "FOLDER/*"; nil: all of it
	Exclude []string          // names at the top of Folder that are no part of it, e.g. an output folder
	Omit    []string          // what else is left out: patterns of path.Match for a name anywhere, with a slash for a path inside Folder
	Tracked map[string]bool   // paths of files below Top that are under version control: part of it whatever they are called
	Git     map[string]Git    // what stands for the .git of folders below Top, by their paths ("." for Top)
	Files   map[string]string // further files of the copy: host paths by paths below Top
}

// Git is a git folder that a build may read.
type Git struct {
	Dir    string // the host folder that holds it, and nothing of any configuration
	Digest string // of what can be read there
}

// SourceError says what is wrong with a source folder before anything is built, and what to do about it.
// It is the user's to mend; no kernel has any part in it.
type SourceError struct {
	Path    string // what it is about
	Problem string
	Cure    string
	Below   string // a folder inside Path that may be meant; empty for none
}

// Error is one line: what, why, and the cure.
func (e *SourceError) Error() string { return e.Path + ": " + e.Problem + ": " + e.Cure }

// What a source may hold. The largest real ones have some 5000 files and 100 MiB, no more than 20 folders deep.
const (
	maxEntries = 200_000
	maxDepth   = 100
)

var maxSource int64 = 4 << 30 // bytes, holes counted

// bounds counts what a walk has met.
type bounds struct {
	entries int
	bytes   int64
}

// add counts one entry, and refuses what is beyond the bounds.
func (b *bounds) add(root *os.Root, name string, size int64) error {
	b.entries++
	b.bytes += size
	problem := ""
	switch {
	case tooDeep(name):
		problem = fmt.Sprintf("holds folders more than %d deep", maxDepth)
	case b.entries > maxEntries:
		problem = fmt.Sprintf("holds more than %d files and folders", maxEntries)
	case b.bytes > maxSource:
		problem = fmt.Sprintf("holds more than %d MiB", maxSource>>20)
	default:
		return nil
	}
	return &SourceError{Path: root.Name(), Problem: problem, Cure: "give a folder that holds the module's source alone, or exclude what is none of it"}
}

func tooDeep(name string) bool { return strings.Count(name, "/") >= maxDepth }

// Digest is "sha256:…" over what a build of the source depends on: paths, contents, link targets, whether a file may be
// executed, and what git says; of Files, their paths alone. It is taken of what Build copies. Times and owners do not count.
// A *SourceError comes back for what Build would refuse to copy.
func (s Source) Digest(ctx context.Context) (string, error) {
	root, err := openSource(s.Top)
	if err != nil {
		return "", err
	}
	defer root.Close()
	all := sha256.New()
	if s.Folder != "" {
		fmt.Fprintf(all, "folder %q\n", s.Folder)
	}
	for _, at := range slices.Sorted(maps.Keys(s.Git)) {
		fmt.Fprintf(all, "git %q %s\n", at, s.Git[at].Digest)
	}
	for _, at := range slices.Sorted(maps.Keys(s.Files)) {
		fmt.Fprintf(all, "further %q\n", at)
	}
	_, err = s.walk(ctx, root, func(e entry) error {
		kind, sum := "file", sha256.New()
		switch {
		case e.target != "":
			kind = "link"
			io.WriteString(sum, e.target)
		default:
			if e.exec {
				kind = "exec"
			}
			if err := copyOut(ctx, sum, root, e.path); err != nil {
				return err
			}
		}
		fmt.Fprintf(all, "%s %q %x\n", kind, e.path, sum.Sum(nil))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("digest source: %w", err)
	}
	return "sha256:" + hex.EncodeToString(all.Sum(nil)), nil
}

// Has reports whether the file or link at name, a path below Top, is part of what is copied, as far as its name shows.
func (s Source) Has(name string) bool {
	for at := name; at != "."; at = path.Dir(at) {
		if s.leftOut(at) {
			return false
		}
	}
	return s.holds(name)
}

// leftOut reports whether the user's wish, or modmatrix's own use of the folder, keeps name out of the copy.
func (s Source) leftOut(name string) bool {
	inFolder, ok := name, true
	if s.Folder != "" {
		inFolder, ok = strings.CutPrefix(name, s.Folder+"/")
	}
	return ok && slices.Contains(s.Exclude, inFolder) || slices.ContainsFunc(s.Omit, func(pattern string) bool {
		anchored := strings.Contains(pattern, "/")
		matches, _ := path.Match(strings.Trim(pattern, "/"), inFolder)
		anywhere, _ := path.Match(pattern, path.Base(name))
		return anchored && ok && matches || !anchored && anywhere
	})
}

// holds reports whether one of the parts is, or holds, name.
func (s Source) holds(name string) bool {
	return s.Parts == nil || slices.ContainsFunc(s.Parts, func(part string) bool {
		return part == "." || name == part || strings.HasPrefix(name, part+"/") || part == path.Join(path.Dir(name), "*")
	})
}

// leadsTo reports whether one of the parts lies in the folder at name.
func (s Source) leadsTo(name string) bool {
	return slices.ContainsFunc(s.Parts, func(part string) bool { return strings.HasPrefix(part, name+"/") })
}

// openSource opens a source folder; nothing outside it can be reached through what it returns.
func openSource(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &SourceError{Path: dir, Problem: "no such folder", Cure: "give the folder that holds the module's Makefile or Kbuild"}
	case err == nil && !info.IsDir():
		return nil, &SourceError{Path: dir, Problem: "not a folder", Cure: "give the folder that holds the module's Makefile or Kbuild"}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	return root, nil
}
