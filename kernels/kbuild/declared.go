package kbuild

import (
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

var objLine = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-(?:m|\$[({][^)}\n]*[)}])[ \t]*[:+?]?=(.*)$`)

// Declared names the modules that the Kbuild or Makefile at the top of the source at dir writes down as such, sorted, with _ for
// -. What only make can find out is not among them: it is a look at a text. A *SourceError says that there is no such folder.
func Declared(dir string) ([]string, error) {
	root, err := openSource(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	_, text, err := kbuildFile(root, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range objLine.FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(m[1]) {
			if object, ok := strings.CutSuffix(word, ".o"); ok && !strings.ContainsAny(object, "$()") {
				names = append(names, kernels.ModuleName(object))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
