package checks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// The checks that no tool makes: this package reads the source, or the module, itself.

// DeprecatedList is the kernel's own list of what not to use any more, below its source.
const DeprecatedList = "Documentation/process/deprecated.rst"

// deprecated looks for calls of what is on DeprecatedList.
func deprecated(_ context.Context, j *job, res *Result) error {
	text, err := os.ReadFile(filepath.Join(j.Scripts.Dir, DeprecatedList))
	if err != nil {
		return err
	}
	names := deprecatedNames(text)
	if len(names) == 0 {
		return fmt.Errorf("the list of %s names no function", j.Scripts.Version)
	}
	calls := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\s*\(`)
	return j.eachLine(func(where, code string) {
		for _, m := range calls.FindAllStringSubmatch(code, -1) {
			res.Findings = append(res.Findings, results.Finding{Where: where, Level: results.LevelWarning, Kind: m[1], Message: m[1] + "() is on the kernel's list of what not to use (process/deprecated.rst)"})
		}
	})
}

var (
	heading      = regexp.MustCompile(`(?m)^(.*\(\).*)\n-{3,}$`)
	functionName = regexp.MustCompile(`\b([A-Za-z_]\w*)\(\)`)
)

// deprecatedNames are the functions in the headings of the kernel's list.
func deprecatedNames(rst []byte) (names []string) {
	for _, h := range heading.FindAllSubmatch(rst, -1) {
		for _, m := range functionName.FindAllSubmatch(h[1], -1) {
			if name := string(m[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// eachLine calls do with each line of the files that are checked, without comments and what is in quotes.
func (j *job) eachLine(do func(where, code string)) error {
	if len(j.files) == 0 {
		return errNoFiles
	}
	for _, name := range j.files {
		text, err := j.read(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		n := 0
		lines(code(text), func(line string) {
			n++
			do(j.shown(name)+":"+strconv.Itoa(n), line)
		})
	}
	return nil
}

// code is C without its comments and literals: blanks stand for them, and its lines stay as they are.
func code(text []byte) []byte {
	out := slices.Clone(text)
	blank := func(from, to int) {
		for i := from; i < to && i < len(out); i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	for i := 0; i < len(text); i++ {
		switch end := len(text); {
		case strings.HasPrefix(string(text[i:min(i+2, end)]), "/*"):
			if n := strings.Index(string(text[i+2:]), "*/"); n >= 0 {
				end = i + 2 + n + 2
			}
			blank(i, end)
			i = end - 1
		case strings.HasPrefix(string(text[i:min(i+2, end)]), "//"):
			if n := strings.IndexByte(string(text[i:]), '\n'); n >= 0 {
				end = i + n
			}
			blank(i, end)
			i = end - 1
		case text[i] == '"' || text[i] == '\'':
			end = literalEnd(text, i)
			if inner := end - 1; inner > i && text[inner] == text[i] {
				blank(i+1, inner)
			} else {
				blank(i+1, end)
			}
			i = end - 1
		}
	}
	return out
}

// literalEnd is behind the literal that begins at text[from]; one that is not ended ends with its line.
func literalEnd(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return i
		case text[from]:
			return i + 1
		}
	}
	return len(text)
}

// conditional is a line of the preprocessor that asks which kernel it is, or which distribution's.
var conditional = regexp.MustCompile(`^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(LINUX_VERSION_CODE|KERNEL_VERSION|LINUX_VERSION_(?:MAJOR|PATCHLEVEL|SUBLEVEL)|RHEL_RELEASE_CODE|RHEL_MAJOR|RHEL_RELEASE_VERSION|SLE_VERSION_CODE|UBUNTU_VERSION_CODE|HAVE_[A-Z0-9_]+|COMPAT_[A-Z0-9_]+)\b`)

// versions finds the conditions on the kernel's version: in the kernel's own tree there is one version, and none of them is taken.
func versions(_ context.Context, j *job, res *Result) error {
	return j.eachLine(func(where, code string) {
		if m := conditional.FindStringSubmatch(code); m != nil {
			res.Findings = append(res.Findings, results.Finding{Where: where, Level: results.LevelWarning, Kind: m[1], Message: "must not go upstream: " + strings.TrimSpace(code)})
		}
	})
}

// metadata looks at what the modules that were built say of themselves.
func metadata(_ context.Context, j *job, res *Result) error {
	if j.built == nil || len(j.built.Modules) == 0 {
		res.Missing = notBuilt
		return nil
	}
	for _, m := range j.built.Modules {
		add := func(level results.Level, kind, text string) {
			res.Findings = append(res.Findings, results.Finding{Level: level, Kind: kind, Message: m.Name + ": " + text})
		}
		if m.License == "" {
			add(results.LevelError, "MODULE_LICENSE", "no MODULE_LICENSE")
		}
		if m.Description == "" {
			add(results.LevelWarning, "MODULE_DESCRIPTION", "no MODULE_DESCRIPTION")
		}
		if len(m.Authors) == 0 {
			add(results.LevelNote, "MODULE_AUTHOR", "no MODULE_AUTHOR")
		}
		for _, p := range m.Params {
			if p.Description == "" {
				add(results.LevelWarning, "MODULE_PARM_DESC", "parameter "+p.Name+" has no MODULE_PARM_DESC")
			}
		}
	}
	return nil
}
