package store

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// RemoveTree deletes dir whatever modes its folders have, and however deep they are: rm keeps one folder open, os.RemoveAll one for
// each level. What a user of a user namespace left behind (a killed mmdebstrap) only such a user can delete, so the last try runs in a
// user namespace with the same ranges (util-linux 2.38: --map-auto).
func RemoveTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = exec.Command("chmod", "-R", "u+rwx", "--", dir).Run()
	if exec.Command("rm", "-rf", "--", dir).Run() == nil || os.Geteuid() == 0 {
		return os.RemoveAll(dir)
	}
	_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", dir).Run()
	return os.RemoveAll(dir)
}

// titleFile of an entry says in one line what it is.
const titleFile = ".title"

// SetTitle may be called by a fill function for its folder, to say in one line what the entry is.
func SetTitle(dir, title string) error {
	return os.WriteFile(filepath.Join(dir, titleFile), []byte(title+"\n"), 0o644)
}

// WriteJSON replaces the file at path in one step, and makes its folder at need.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(path)))
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
