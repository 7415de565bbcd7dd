package initramfs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

const modulePath = "github.com/modmatrix/modmatrix"

// EnvSource names the folder of this module's source, for a binary that was moved away from it.
const EnvSource = "MODMATRIX_SOURCE"

// initSources are the packages of this module that the base consists of, as folders in it.
var initSources = []string{"cmd/modmatrix-init", "cmd/modmatrix-shell", "initramfs/guest", "results/arch", "results/wire", "results/wire/calm", "suites/procfs"}

// installedSource is what a package of a release has of our source, seen from the folder of its binary: what suites import.
const installedSource = "../share/modmatrix/source"

// FindSource is the folder of this module's source: as EnvSource says, else where the binary was built, else in Go's module
// cache, else where a release was installed.
func FindSource() (string, error) {
	if dir := os.Getenv(EnvSource); dir != "" {
		if err := isSource(dir); err != nil {
			return "", fmt.Errorf("%s=%s is not the source of modmatrix: %w", EnvSource, dir, err)
		}
		return filepath.Abs(dir)
	}
	for _, dir := range sourceCandidates() {
		if isSource(dir) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("cannot find the source of modmatrix, which guest images and suites are compiled from: install a package of a release, or set %s to its folder", EnvSource)
}

// sourceCandidates lists where the source was when this binary was built or installed, best guess first.
func sourceCandidates() (dirs []string) {
	if exe, err := os.Executable(); err == nil { // else one guess less
		defer func() { dirs = append(dirs, filepath.Join(filepath.Dir(exe), installedSource)) }()
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // not after -trimpath
		dirs = append(dirs, filepath.Dir(filepath.Dir(file)))
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return dirs
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path != modulePath {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if filepath.IsAbs(m.Path) {
			dirs = append(dirs, m.Path)
		}
		path, err1 := module.EscapePath(m.Path)
		version, err2 := module.EscapeVersion(m.Version)
		if err1 == nil && err2 == nil {
			dirs = append(dirs, filepath.Join(moduleCache(), path+"@"+version))
		}
	}
	return dirs
}

// moduleCache is Go's module cache, as far as the environment shows it (go help environment).
func moduleCache() string {
	home, _ := os.UserHomeDir() // without one, nothing is found
	gopath := filepath.SplitList(cmp.Or(os.Getenv("GOPATH"), filepath.Join(home, "go")))
	return cmp.Or(os.Getenv("GOMODCACHE"), filepath.Join(gopath[0], "pkg", "mod"))
}

// isSource returns why dir is not this module's source, nil if it is.
func isSource(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	if path := modfile.ModulePath(text); path != modulePath {
		return fmt.Errorf("its go.mod is that of module %q", path)
	}
	return nil
}

// BaseDigest is "sha256:…" over all that BuildBase's image for machine, as uname -m says it, depends on: module versions, sources, toolchain.
// Empty means this machine.
func BaseDigest(ctx context.Context, source, machine string) (string, error) {
	a, err := archOf(machine)
	if err != nil {
		return "", err
	}
	tools, err := askGo(ctx, source)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "base 1 %s %s\n", tools.GOVERSION, a.Go)
	files := []string{"go.mod", "go.sum"}
	for _, dir := range append([]string{"initramfs"}, initSources...) {
		found, err := fs.Glob(os.DirFS(source), dir+"/*.go")
		if err != nil || len(found) == 0 {
			return "", fmt.Errorf("read source of the guest: no Go files in %s of %s", dir, source)
		}
		files = append(files, found...)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if err := hashFile(h, source, name); err != nil {
			return "", fmt.Errorf("read source of the guest: %w", err)
		}
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

func hashFile(h io.Writer, dir, name string) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	return err
}
