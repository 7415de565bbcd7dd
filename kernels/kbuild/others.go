package kbuild

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// otherSymbols is a Module.symvers that modpost or make wants.
var otherSymbols = regexp.MustCompile(`^No rule to make target '([^']*Module\.symvers)'|^(\S*Module\.symvers): No such file or directory$`)

// otherPackage is the file of another external module that the build refers to and that is not there.
func (s scene) otherPackage(log *buildLog) string {
	if log.make == nil {
		return ""
	}
	m := otherSymbols.FindStringSubmatch(log.make.text)
	if m == nil {
		return ""
	}
	name := path.Clean(strings.TrimPrefix(m[1]+m[2], s.r.sandbox().at()+"/"))
	if strings.HasPrefix(name, "../") || path.IsAbs(name) && name != path.Join(s.r.Tree.KDIR, "Module.symvers") {
		return name
	}
	return ""
}

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
