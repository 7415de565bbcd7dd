package watch

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// leftovers are names of what editors write beside a file for a moment, or for ever, as patterns of path.Match.
var leftovers = []string{
	".*.sw?", "4913", // Vim: swap files, and whether it may write here
	"*~", "#*#", ".#*", // Emacs, and others' backups
	".*.kate-swp", ".goutputstream-*", "___jb_*___", "*.orig", "*.rej",
	".nfs*", // a file that is removed while somebody has it open (Linux fs/nfs/unlink.c)
	".DS_Store",
}

// versioned are folders of version control. Of git's, HEAD and index are looked at: a commit or a checkout changes them.
var versioned = []string{".git", ".hg", ".svn", ".bzr", ".jj"}

// ignored reports whether a change of the file or folder of that name is none of the source, so that it is not worth a look. An object
// may be what its vendor ships, so it is. A look costs a digest, and the digest alone decides what is run.
func ignored(name string) bool {
	if slices.Contains(versioned, name) || name == ".tmp_versions" {
		return true
	}
	if slices.ContainsFunc(leftovers, func(pattern string) bool { ok, _ := filepath.Match(pattern, name); return ok }) {
		return true
	}
	return kbuild.IsProduct(name) && !(strings.HasSuffix(name, ".o") && !strings.HasSuffix(name, ".mod.o"))
}
