package kbuild

import (
	"cmp"
	"path"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// Diagnose says what is wrong by what a build said that somebody else ran for the kernel of tree, of a source in the folder at, and by
// the exit code it ended with: an *Error where the module is at fault, another error where the machine is; nil where the text shows neither.
func Diagnose(tree *kernels.Tree, at string, text []byte, exit int) error {
	log := newLog(nil)
	log.at, log.kdir, log.release = at, tree.KDIR, tree.Target.Release
	_, _ = log.Write(text) // it never fails
	log.flush()
	if cmp.Or(log.machine, log.modpost, log.compiler, log.tool, log.makefile, log.make) == nil {
		return nil
	}
	return log.verdict(exit, func(name string) (string, bool) {
		rel, inside := strings.CutPrefix(name, at+"/")
		return rel, inside || !path.IsAbs(name)
	})
}
