package harness

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

// namesArchs are the files outside of results/arch that may name an architecture in a text, each with the reason. Comments may everywhere.
var namesArchs = map[string]string{
	"cmd/modmatrix-bench/judgement.go": "makes up ten thousand cells",
	"cmd/modmatrix-bench/main.go":      "what is measured has to be the same kernel every time",
	"cmd/modmatrix-bench/prepare.go":   "likewise",
	"kernels/dir/image.go":             "where each architecture's boot image has its magic, by the folder of Linux arch/ that says so",
	"results/private.go":               "words of architectures say nothing of a person",
	"results/report/untested.go":       "the one architecture that maintainers ask for by its name",
	"vm/console/symbol.go":             "prefixes of system calls in the kernel's own source",
}

// To add an architecture is to add a row of results/arch: no text elsewhere names one, so that none has to be found and changed.
func TestAnArchitectureIsOneRow(t *testing.T) {
	var words []string
	for _, a := range arch.All() {
		words = append(words, a.Name, a.Debian, a.Go, a.Stem, a.Triplet, a.QEMU.Binary)
	}
	slices.Sort(words)
	word := regexp.MustCompile(`(^|[^a-z0-9_])(` + strings.Join(slices.Compact(slices.DeleteFunc(words, func(w string) bool { return w == "arm" || w == "386" })), "|") + `)($|[^a-z0-9_])`)
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name == "results/arch" || name == "vm/vmtest" || name == "suites/zoo" || strings.HasPrefix(d.Name(), ".") && name != ".."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if _, imported := n.(*ast.ImportSpec); imported || !ok || lit.Kind != token.STRING {
				return !imported
			}
			text, _ := strconv.Unquote(lit.Value)
			if found := word.FindStringSubmatch(text); found != nil {
				used[name] = true
				if namesArchs[name] == "" {
					t.Errorf("%s names %s in %s: take it from a row of results/arch, or give namesArchs the reason why not", name, found[2], lit.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(namesArchs)) {
		if !used[name] {
			t.Errorf("%s may name an architecture, and names none any more", name)
		}
	}
}
