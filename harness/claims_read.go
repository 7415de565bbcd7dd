package harness

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// readClaims reads what a source says of kernel versions: in dkms.conf, in META, and in its C files, in the order of their
// names.
func readClaims(dir string) (s said, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, fmt.Errorf("read source: %w", err)
	}
	defer root.Close()
	files := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return cmp.Or(err, fs.SkipDir)
		}
		if !d.Type().IsRegular() || !isSource(name) && name != "dkms.conf" && name != "META" {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxClaimFile {
			return err
		}
		if files++; files > maxClaimFiles || len(s.conditions) > maxConditions {
			return fs.SkipAll
		}
		data, err := root.ReadFile(filepath.FromSlash(name))
		if err == nil {
			s.add(name, data)
		}
		return err
	})
	return s, err
}

func isSource(name string) bool { return slices.Contains([]string{".c", ".h"}, path.Ext(name)) }

// add takes in one file.
func (s *said) add(name string, data []byte) {
	switch {
	case isSource(name):
		s.conditions = append(s.conditions, conditions(name, data)...)
	case name == "dkms.conf":
		s.conf = data
	default:
		s.meta = metaBounds(data)
	}
}
