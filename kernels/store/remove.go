package store

import (
	"os"
	"os/exec"
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
