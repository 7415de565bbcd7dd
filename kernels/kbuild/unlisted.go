package kbuild

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// maxUnlisted bounds the modules that are looked at beside those of a package, and maxLooked the files among which they are found.
const (
	maxUnlisted = 200
	maxLooked   = 400_000
)

// unlisted are the modules that a package's build left beside those that the package names, as far as they are for this kernel. Nobody
// installs them.
func (r Request) unlisted(listed []Module) (found []Module) {
	if r.Recipe == nil {
		return nil
	}
	looked := 0
	_ = filepath.WalkDir(r.Dir, func(file string, d fs.DirEntry, err error) error {
		if looked++; looked > maxLooked || len(found) == maxUnlisted {
			return fs.SkipAll
		}
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(file, ".ko") {
			return nil // what cannot be looked at is not there
		}
		name, err := filepath.Rel(r.Dir, file)
		if err != nil {
			return nil
		}
		m, err := r.proveModule(name, "")
		if err == nil && !slices.ContainsFunc(slices.Concat(listed, found), func(o Module) bool { return o.Name == m.Name }) {
			found = append(found, m)
		}
		return nil
	})
	return found
}
