package claims

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

type source struct {
	conf       []byte              // dkms.conf; nil: there is none
	meta       []results.Statement // the bounds in META
	conditions []results.Condition
}

// How much of a source is looked at: more than any module has.
const (
	maxFiles      = 5000
	maxFile       = 4 << 20 // bytes
	maxConditions = 2000
)

func read(dir string) (s source, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, fmt.Errorf("read source: %w", err)
	}
	defer root.Close()
	files := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return cmp.Or(err, fs.SkipDir)
		}
		isC := slices.Contains([]string{".c", ".h"}, path.Ext(name))
		if !d.Type().IsRegular() || !isC && name != "dkms.conf" && name != "META" {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxFile {
			return err
		}
		if files++; files > maxFiles || len(s.conditions) > maxConditions {
			return fs.SkipAll
		}
		data, err := root.ReadFile(filepath.FromSlash(name))
		switch {
		case err != nil:
			return err
		case isC:
			s.conditions = append(s.conditions, conditions(name, string(data))...)
		case name == "META":
			s.meta = metaBounds(string(data))
		default:
			s.conf = data
		}
		return nil
	})
	return s, err
}

// versionTest finds a comparison with KERNEL_VERSION(a, b, c), as LINUX_VERSION_CODE is compared everywhere (Linux
// Makefile, filechk_version.h). The other way round, KERNEL_VERSION first, is a rarity, and not looked for.
var versionTest = regexp.MustCompile(`\bLINUX_VERSION_CODE\s*(<=?|>=?|==|!=)\s*KERNEL_VERSION\s*\(\s*0*(\d{1,4})\s*,\s*0*(\d{1,4})\s*,\s*0*(\d{1,4})\s*\)`)

// conditions lists the comparisons with the kernel's version that stand in the #if and #elif of source.
func conditions(name, source string) (found []results.Condition) {
	number, joined := 0, ""
	for line := range strings.Lines(source) {
		number++
		text := strings.TrimRight(line, "\r\n")
		if more, on := strings.CutSuffix(text, `\`); on && len(joined) < 1<<16 {
			joined += more + " "
			continue
		}
		text, joined = joined+text, ""
		bare := strings.ReplaceAll(strings.TrimSpace(text), " ", "")
		if !strings.HasPrefix(bare, "#if") && !strings.HasPrefix(bare, "#elif") {
			continue
		}
		for _, m := range versionTest.FindAllStringSubmatch(text, -1) {
			found = append(found, results.Condition{Where: fmt.Sprintf("%s:%d", name, number), Op: m[1], Version: strings.Join(m[2:], ".")})
		}
	}
	return found
}

var metaBound = regexp.MustCompile(`^Linux-(?:(Minimum)|Maximum): *v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)$`)

// metaBounds lists the lines in a META that say for which kernels a module is, as OpenZFS has them.
func metaBounds(text string) (bounds []results.Statement) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		m := metaBound.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		b := results.Statement{Where: fmt.Sprintf("META:%d", number), Text: line, Max: m[2]}
		if m[1] != "" {
			b.Min, b.Max = m[2], ""
		}
		bounds = append(bounds, b)
	}
	return bounds
}

// boundLine finds a plain version as a bound in dkms.conf, patternLine a regular expression; none that a script computes.
var (
	boundLine   = regexp.MustCompile(`(?m)^BUILD_EXCLUSIVE_KERNEL_(MIN|MAX)=["']?(\d+(?:\.\d+)*)["']?[ \t]*$`)
	patternLine = regexp.MustCompile(`(?m)^BUILD_EXCLUSIVE_KERNEL=(?:"([^"$` + "`" + `\n]{1,200})"|'([^'\n]{1,200})'|([^\s"'$` + "`" + `]{1,200}))[ \t]*$`)
)

func bounds(conf []byte) (oldest, newest, pattern string) {
	for _, m := range boundLine.FindAllSubmatch(conf, -1) {
		if string(m[1]) == "MIN" {
			oldest = string(m[2])
		} else {
			newest = string(m[2])
		}
	}
	if m := patternLine.FindSubmatch(conf); m != nil {
		pattern = string(slices.Concat(m[1:]...))
	}
	return oldest, newest, pattern
}
