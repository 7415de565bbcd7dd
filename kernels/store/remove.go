package store

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// RemoveTree deletes dir whatever modes its folders have. What a user of a user namespace left behind (a killed mmdebstrap)
// only such a user can delete, so the last try runs in a user namespace with the same ranges (util-linux 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}
