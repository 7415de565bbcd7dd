package kbuild

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

var (
	objLine   = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-(?:m|\$[({][^)}\n]*[)}])[ \t]*[:+?]?=(.*)$`)
	plainLine = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*([A-Za-z_]\w*)[ \t]*[:?]?=[ \t]*([\w.+/-]+)[ \t]*$`)
	asksFor   = regexp.MustCompile(`\$[({]([A-Za-z_]\w*)[)}]`)
)

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
	for _, word := range objWords(text) {
		if object, ok := strings.CutSuffix(word, ".o"); ok && !strings.ContainsAny(object, "$()") {
			names = append(names, kernels.ModuleName(object))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// objWords are what the lines of obj-m and its kin list.
func objWords(text string) (words []string) {
	for _, m := range objLine.FindAllStringSubmatch(text, -1) {
		words = append(words, strings.Fields(m[1])...)
	}
	return words
}

// maxFolders bounds the folders in which one source declares modules.
const maxFolders = 1000

// DeclaredFiles are the .ko files that the kernel's build system would make of the source at dir, by their paths in it, sorted: as Declared,
// with those of the folders that obj-m descends into, and names that variables of the same file hold in plain text.
func DeclaredFiles(dir string) ([]string, error) {
	root, err := openSource(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var files []string
	seen := map[string]bool{".": true}
	for next := []string{"."}; len(next) > 0; next = next[1:] {
		_, text, err := kbuildFile(root, next[0])
		if err != nil && next[0] == "." {
			return nil, err
		}
		variables := map[string]string{}
		for _, m := range plainLine.FindAllStringSubmatch(text, -1) {
			variables[m[1]] = m[2]
		}
		for _, word := range objWords(text) {
			word = asksFor.ReplaceAllStringFunc(word, func(v string) string {
				if value, ok := variables[asksFor.FindStringSubmatch(v)[1]]; ok {
					return value
				}
				return v
			})
			at := path.Join(next[0], word)
			switch object, ok := strings.CutSuffix(at, ".o"); {
			case strings.ContainsAny(at, "$(){}") || strings.HasPrefix(at, "..") || path.IsAbs(word):
			case ok:
				files = append(files, object+".ko")
			case strings.HasSuffix(word, "/") && !seen[at] && len(seen) < maxFolders:
				seen[at] = true
				next = append(next, at)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}
