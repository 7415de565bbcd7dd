package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// maxMakefile bounds what is read of a Makefile for the static look; the largest real ones are a few hundred KiB.
const maxMakefile = 4 << 20

// declares finds an assignment to obj-m or one of its kin; mayDeclare finds, besides, what can bring one about unseen.
var (
	declares   = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-[^\n=]*=`)
	mayDeclare = regexp.MustCompile(`(?m)^[ \t]*-?s?include\b|\$[({](?:eval|call)\b|obj-|subdir-`)
	comments   = regexp.MustCompile(`(?m)(^|[ \t])#.*$`)
)

// CheckSource takes a static look at the folder of an external module: a *SourceError says that it is not there, has neither
// Makefile nor Kbuild, or that these declare nothing to build. What only make itself can find out passes.
func CheckSource(dir string) error {
	root, err := openSource(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name, text, err := kbuildFile(root, ".")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &SourceError{dir, "no Makefile and no Kbuild", cure(root, "add one with a line like obj-m := NAME.o")}
	case err != nil:
		return err
	case mayDeclare.MatchString(text):
		return nil
	}
	return &SourceError{filepath.Join(dir, name), "declares no module", cure(root, "add a line like obj-m := NAME.o")}
}

// kbuildFile reads what Kbuild would take in dir, without comments: Kbuild before Makefile (Linux scripts/Kbuild.include, kbuild-file).
func kbuildFile(root *os.Root, dir string) (name, text string, err error) {
	for _, name = range []string{"Kbuild", "Makefile"} {
		if info, err := root.Stat(path.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := kernels.OpenRegular(root, path.Join(dir, name))
		if err != nil {
			return name, "", err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxMakefile))
		return name, comments.ReplaceAllString(strings.ReplaceAll(string(text), "\\\n", " "), ""), err
	}
	return "", "", fs.ErrNotExist
}

// cure names the folder below that would do, and is otherwise when there is none.
func cure(root *os.Root, otherwise string) string {
	found := ""
	fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || name == "." {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") || strings.Count(name, "/") > 2 {
			return fs.SkipDir
		}
		if _, text, err := kbuildFile(root, name); err == nil && declares.MatchString(text) {
			found = name
			return fs.SkipAll
		}
		return nil
	})
	if found == "" {
		return otherwise
	}
	return "did you mean " + filepath.Join(root.Name(), found) + "?"
}

var objLine = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-(?:m|\$[({][^)}\n]*[)}])[ \t]*[:+?]?=(.*)$`)

// Declared names the modules that the Kbuild or Makefile at the top of the source at dir writes down as such, sorted, with _ for
// -. What only make can find out is not among them: it is a look at a text. A *SourceError says that there is no such folder.
func Declared(dir string) ([]string, error) {
	root, err := openSource(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	_, text, err := kbuildFile(root, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range objLine.FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(m[1]) {
			if object, ok := strings.CutSuffix(word, ".o"); ok && !strings.ContainsAny(object, "$()") {
				names = append(names, kernels.ModuleName(object))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// TrySandbox says whether a module could be built in a sandbox here, by running one.
func TrySandbox(ctx context.Context) (string, error) {
	path, err := exec.LookPath("bwrap")
	if err != nil {
		return "", errors.New("bwrap is missing: apt install bubblewrap")
	}
	out, err := exec.CommandContext(ctx, path, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--", "/bin/true").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("bwrap cannot make a sandbox: %s; are unprivileged user namespaces switched off (sysctl kernel.unprivileged_userns_clone)?",
			strings.TrimSpace(string(out)))
	}
	return path, nil
}
