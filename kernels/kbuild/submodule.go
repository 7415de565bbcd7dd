package kbuild

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

var submodulePath = regexp.MustCompile(`(?m)^[ \t]*path[ \t]*=[ \t]*(.*\S)`)

// submodule is the submodule of the source's repository that a fault is about and that was not checked out: the fault names it, or a
// file that neither the source nor a kernel has, where the build's instructions refer to the submodule.
func (s scene) submodule(f *finding) string {
	root, err := os.OpenRoot(s.r.Top)
	if err != nil || f == nil {
		return ""
	}
	defer root.Close()
	text, _ := kernels.ReadRegular(root, ".gitmodules", maxScanned)
	for _, m := range submodulePath.FindAllStringSubmatch(string(text), -1) {
		folder := path.Clean(m[1])
		if !filepath.IsLocal(folder) || holdsSomething(root, folder) {
			continue
		}
		lines := strings.Join(append([]string{f.text}, f.excerpt...), "\n")
		if names(lines, folder) || s.gone(f) && s.refersTo(path.Base(folder)) {
			return folder
		}
	}
	return ""
}

func holdsSomething(root *os.Root, folder string) bool {
	f, err := root.Open(folder)
	if err != nil {
		return false
	}
	defer f.Close()
	list, _ := f.Readdirnames(1)
	return len(list) > 0
}

// names reports whether a text has a path that is folder or lies in it.
func names(text, folder string) bool {
	return regexp.MustCompile(`(?m)(?:^|[^\w.-])` + regexp.QuoteMeta(folder) + `(?:[^\w.-]|$)`).MatchString(text)
}

// refersTo reports whether the build's instructions name a folder.
func (s scene) refersTo(folder string) (found bool) {
	s.walk(instructions, func(file string) bool {
		found = names(s.read(file), folder)
		return !found
	})
	return found
}
