package packaging

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// facts are what a source says of its module, where it says so in plain text. What it does not say is empty.
type facts struct {
	SourceVersion string
	Description   string
	Licence       string // an SPDX expression, else what MODULE_LICENSE says
	Authors       []string
	Copyrights    []string // lines that say whose it is
}

const (
	maxSources = 2000    // files in C that are looked at
	maxText    = 4 << 20 // bytes of each
	maxFact    = 200     // bytes of what one of them says
	maxAuthors = 20      // and lines of copyright
)

var (
	moduleFact = regexp.MustCompile(`(?m)^\s*MODULE_(LICENSE|DESCRIPTION|VERSION|AUTHOR)\s*\(\s*((?:"(?:[^"\\\n]|\\.)*"\s*)+|[A-Za-z_]\w*)\s*\)`)
	copyright  = regexp.MustCompile(`(?i:copyright)[ \t]*(?:\([cC]\)|©)?[ \t]*[0-9]{4}[^*\n]*`)
	quoted     = regexp.MustCompile(`"((?:[^"\\\n]|\\.)*)"`)
	spdx       = regexp.MustCompile(`SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]+?)\s*(?:\*/|$)`)
)

// readFacts looks through the files in C of a source, those that lie higher and come first by name before others: the first file that says something counts.
func readFacts(dir string) (f facts, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return f, fmt.Errorf("open source: %w", err)
	}
	defer root.Close()
	var files []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path.Ext(name) == ".c" && !strings.HasSuffix(name, ".mod.c") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return f, fmt.Errorf("read source: %w", err)
	}
	slices.SortStableFunc(files, func(a, b string) int { return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")) })
	for _, name := range files[:min(len(files), maxSources)] {
		if text, err := kernels.ReadRegular(root, name, maxText); err == nil {
			f.take(string(text))
		}
	}
	return f, nil
}

// copyrights adds the lines of text that say whose it is, and since when.
func (f *facts) copyrights(text string) {
	for _, line := range copyright.FindAllString(text, maxAuthors) {
		if line = plainLine(line); len(f.Copyrights) < maxAuthors && !slices.Contains(f.Copyrights, line) {
			f.Copyrights = append(f.Copyrights, line)
		}
	}
}

// take adds what one file says and none before it did.
func (f *facts) take(text string) {
	licence := ""
	for _, m := range moduleFact.FindAllStringSubmatch(text, -1) {
		value := valueOf(m[2], text)
		switch m[1] {
		case "LICENSE":
			licence = cmp.Or(licence, value)
		case "DESCRIPTION":
			f.Description = cmp.Or(f.Description, value)
		case "VERSION":
			f.SourceVersion = cmp.Or(f.SourceVersion, value)
		case "AUTHOR":
			if value != "" && len(f.Authors) < maxAuthors && !slices.Contains(f.Authors, value) {
				f.Authors = append(f.Authors, value)
			}
		}
	}
	if licence == "" { // it is no module's main file: what it is licensed under says nothing of the module
		return
	}
	if first, _, _ := strings.Cut(text, "\n"); spdx.MatchString(first) {
		licence = strings.TrimSpace(spdx.FindStringSubmatch(first)[1])
	}
	f.Licence = cmp.Or(f.Licence, licence)
	f.copyrights(text)
}

// valueOf is the text of an argument: of strings, or of a name that the same file defines as one.
func valueOf(argument, text string) string {
	if !strings.HasPrefix(argument, `"`) {
		define := regexp.MustCompile(`(?m)^\s*#\s*define\s+` + argument + `\s+((?:"(?:[^"\\\n]|\\.)*"\s*)+)`).FindStringSubmatch(text)
		if define == nil {
			return ""
		}
		argument = define[1]
	}
	value := ""
	for _, m := range quoted.FindAllStringSubmatch(argument, -1) {
		value += m[1]
	}
	return plainLine(value)
}

// plainLine is one line of printable text that means nothing to a shell, a spec or a control file.
func plainLine(s string) string {
	s = strings.Join(strings.Fields(results.Plain(s)), " ")
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("%$`\\\"{}", r) {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(strings.ToValidUTF8(s[:min(len(s), maxFact)], ""))
}
