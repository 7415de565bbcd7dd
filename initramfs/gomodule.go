package initramfs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
	"golang.org/x/mod/modfile"
)

// goModule is what go has to see of this machine to compile the package in a folder.
type goModule struct {
	dir     string   // the folder of the package; like all here absolute, and with links resolved
	root    string   // the folder with its go.mod
	within  string   // its repository, which it may not look out of
	work    string   // the go.work in force, or "off"
	folders []string // that hold the modules of the build: root is the first
}

// maxGoMod bounds a go.mod or go.work, in bytes.
const maxGoMod = 1 << 20

// findModule finds the module of the package in dir. A module or a replacement that would open more of this machine than the
// package's own repository is a *CompileError.
func findModule(dir string) (*goModule, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("find suite: %w", err)
	}
	m := &goModule{dir: dir, root: above(dir, "go.mod"), work: "off"}
	home, _ := os.UserHomeDir() // without one, none is protected
	open := func(dir string) bool { return dir == "/" || dir == home }
	switch {
	case m.root == "":
		return nil, &CompileError{"go.mod file not found in " + dir + " or any folder above"}
	case open(m.root):
		return nil, &CompileError{fmt.Sprintf("its go.mod is in %s, and all of that would be open to it: give the suite's folder a go.mod", m.root)}
	}
	if m.within = cmp.Or(above(m.root, ".git"), m.root); open(m.within) {
		m.within = m.root
	}
	m.folders = []string{m.root}
	if err := m.findWork(); err != nil {
		return nil, err
	}
	for _, folder := range slices.Clone(m.folders) {
		text, _ := kernels.ReadFileIn(folder, "go.mod", maxGoMod)
		file, err := modfile.Parse("go.mod", text, nil)
		if err != nil {
			continue // go says what is wrong with it
		}
		if err := m.replaced(folder, file.Replace); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// findWork finds the go.work in force: the one that the user names, or one of the same repository.
func (m *goModule) findWork() error {
	named := os.Getenv("GOWORK")
	folder := above(m.root, "go.work")
	switch {
	case named != "":
		m.work = named
	case folder != "" && isBelow(folder, m.within):
		m.work = filepath.Join(folder, "go.work")
	}
	if m.work == "off" {
		return nil
	}
	folder = filepath.Dir(m.work)
	text, _ := kernels.ReadFileIn(folder, filepath.Base(m.work), maxGoMod)
	file, err := modfile.ParseWork("go.work", text, nil)
	if err != nil {
		return nil // as above
	}
	for _, use := range file.Use {
		if err := m.add(folder, use.Path, "go.work uses", named != ""); err != nil {
			return err
		}
	}
	m.folders = append(m.folders, folder)
	return m.replaced(folder, file.Replace)
}

// replaced adds the folders that a file in folder has instead of modules.
func (m *goModule) replaced(folder string, replace []*modfile.Replace) error {
	for _, r := range replace {
		if r.New.Version != "" {
			continue // a module of the proxy
		}
		if err := m.add(folder, r.New.Path, "go.mod replaces "+r.Old.Path+" by", false); err != nil {
			return err
		}
	}
	return nil
}

// add adds a folder that is named in one of folder's files.
func (m *goModule) add(folder, name, what string, allowed bool) error {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // go says that it is not there
	}
	source, _ := FindSource() // which modmatrix init has suites use
	if source, _ = filepath.EvalSymlinks(source); !allowed && real != source && !isBelow(real, m.within) {
		return &CompileError{fmt.Sprintf("%s %s, which is outside of %s: only what is in there is open to it", what, name, m.within)}
	}
	if !slices.Contains(m.folders, real) {
		m.folders = append(m.folders, real)
	}
	return nil
}

// above returns the folder that has name in it: dir or the first one above it; "" for none.
func above(dir, name string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return dir
		}
		if dir == "/" {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// isBelow reports whether path is folder or in it.
func isBelow(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
