package store

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
)

// RemoveTree deletes dir whatever modes its folders have, and however deep they are. What a user of a user namespace left behind
// (a killed mmdebstrap) only such a user can delete, so the last try runs in a user namespace with the same ranges (util-linux
// 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = flatten(dir)
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}

// flatten deletes what is below dir, and moves each folder to the top before it looks into it: paths stay short, and no folder is
// open but dir and one other. What cannot be deleted stays.
func flatten(dir string) error {
	_ = os.Chmod(dir, 0o700)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for moved, before := 0, -1; moved != before; { // another round for what the last one brought to the top
		before = moved
		folders, err := emptied(root, ".")
		if err != nil {
			return err
		}
		for _, name := range folders {
			inner, err := emptied(root, name)
			if err != nil {
				continue
			}
			for _, deep := range inner {
				_ = root.Chmod(path.Join(name, deep), 0o700) // which takes a new parent only then
				if root.Rename(path.Join(name, deep), rand.Text()) == nil {
					moved++
				}
			}
			_ = root.Remove(name)
		}
	}
	return nil
}

// emptied deletes what is in a folder below root and no folder itself, and returns the folders.
func emptied(root *os.Root, name string) (folders []string, err error) {
	_ = root.Chmod(name, 0o700)
	entries, err := fs.ReadDir(root.FS(), name)
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		} else {
			err = errors.Join(err, root.Remove(path.Join(name, e.Name())))
		}
	}
	return folders, err
}
