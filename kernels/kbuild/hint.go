package kbuild

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

const (
	maxHeaders = 20_000 // files looked through for a hint; a kernel has some 5000 of them
	maxHeader  = 4 << 20
	maxHinted  = 8 // symbols; what misses more lacks a whole subsystem, and the first few tell which
)

// noDeclarations are folders of headers that declare no function of the kernel.
var noDeclarations = []string{"config", "dt-bindings", "generated", "uapi"}

// hint looks for the unresolved symbols in the kernel's headers: where one is declared tells what it belongs to, and the condition
// around it tells which option would bring it.
func hint(tree *kernels.Tree, problems []Problem) {
	wanted := map[string]int{}
	for i, p := range problems {
		if _, have := wanted[p.Symbol]; p.Kind == "unresolved" && !have && len(wanted) < maxHinted {
			wanted[p.Symbol] = i
		}
	}
	if len(wanted) == 0 {
		return
	}
	looked := 0
	for _, dir := range headerDirs(tree) {
		fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err == nil && d.IsDir() && slices.Contains(noDeclarations, name):
				return fs.SkipDir
			case err != nil || !d.Type().IsRegular() || path.Ext(name) != ".h":
				return nil
			}
			if looked++; looked > maxHeaders || len(wanted) == 0 {
				return fs.SkipAll
			}
			for symbol, conditions := range declared(os.DirFS(dir), name, wanted) {
				problems[wanted[symbol]].Hint = "declared in " + name + whyAbsent(conditions, tree.Config)
				delete(wanted, symbol)
			}
			return nil
		})
	}
	for i := range problems {
		for _, p := range problems[:i] {
			if p.Symbol == problems[i].Symbol && problems[i].Hint == "" {
				problems[i].Hint = p.Hint
			}
		}
	}
}

// headerDirs are the folders with the kernel's headers; Debian keeps those that all flavours share apart, and the Makefile in KDIR
// names their folder.
func headerDirs(tree *kernels.Tree) (dirs []string) {
	for _, at := range []string{tree.KDIR, path.Join(tree.KDIR, "source"), path.Join(installedAt, tree.Target.Release, "source")} {
		if host, ok := Find(tree, path.Join(at, "include")); ok && !slices.Contains(dirs, host) {
			dirs = append(dirs, host)
		}
	}
	return dirs
}

const installedAt = "/lib/modules"

// whyAbsent says which of the options around a declaration are not set.
func whyAbsent(conditions []string, config kconfig.Config) string {
	for _, c := range slices.Backward(conditions) {
		if !config.Enabled(c) {
			return " under " + c + ", which this kernel has not set"
		}
	}
	return ", and exported by nothing in this kernel"
}

var (
	condition = regexp.MustCompile(`^\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b(.*)`)
	option    = regexp.MustCompile(`^\s*(?:defined\s*\(\s*|IS_(?:ENABLED|REACHABLE)\s*\(\s*)?(CONFIG_[A-Z0-9_a-z]+)\s*\)?\s*(?:/[*/].*)?$`)
)

// declared looks through one header for lines that declare one of wanted, and answers for each the options that the line stands
// under: those of which nothing else decides, outermost first.
func declared(dir fs.FS, name string, wanted map[string]int) map[string][]string {
	f, err := dir.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHeader))
	if err != nil {
		return nil
	}
	found := map[string][]string{}
	for symbol := range wanted {
		if bytes.Contains(text, []byte(symbol)) {
			if under, ok := declaresIn(symbol, text); ok {
				found[symbol] = under
			}
		}
	}
	return found
}

// declaresIn tells whether a header's text declares symbol at the beginning of a line, and under which options.
func declaresIn(symbol string, text []byte) (under []string, ok bool) {
	declaration := regexp.MustCompile(`^[a-z_](?:[\w\s*]*[\s*])?` + regexp.QuoteMeta(symbol) + `(?:\(|;|\[|$)`)
	for raw := range bytes.Lines(text) {
		line := strings.TrimRight(string(raw), "\r\n")
		if m := condition.FindStringSubmatch(line); m != nil {
			under = step(under, m[1], m[2])
			continue
		}
		if strings.Contains(line, symbol) && !strings.HasPrefix(line, "static inline") && declaration.MatchString(line) {
			return slices.DeleteFunc(slices.Clone(under), func(o string) bool { return o == "" }), true
		}
	}
	return nil, false
}

// step follows a preprocessor's line; an entry is the option that decides, or nothing where it is not one alone.
func step(under []string, directive, rest string) []string {
	only := ""
	if m := option.FindStringSubmatch(rest); m != nil && directive != "ifndef" {
		only = m[1]
	}
	switch {
	case directive == "ifdef", directive == "if", directive == "ifndef":
		return append(under, only)
	case len(under) == 0:
		return under
	case directive == "endif":
		return under[:len(under)-1]
	}
	under = slices.Clone(under)
	if directive == "else" {
		only = ""
	}
	under[len(under)-1] = only
	return under
}
