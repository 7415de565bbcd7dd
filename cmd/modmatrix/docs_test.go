package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// repository is the folder whose documents are read.
const repository = "../.."

// shown is a command line that a document shows, with the output beneath it.
type shown struct {
	where, line string
	output      string
	results     string // of testdata/docs, that it shows; empty: any
}

var (
	fence  = regexp.MustCompile("(?ms)^(?:<!-- results: ([a-z0-9]+) -->\n)?```([a-z]*)\n(.*?)^```$")
	inYAML = regexp.MustCompile(`(?m)^ *(?:- )?run: (.*)$`)
	inline = regexp.MustCompile("`((?:modmatrix|make) [^`]+)`")
)

// documents are those that people read to learn what to type.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil || len(files) < 5 {
		t.Fatalf("docs: %v, %v", files, err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"} {
		files = append(files, filepath.Join(repository, name))
	}
	return files
}

// commandsOf reads the command lines of one document: "$ " lines of console blocks, steps of workflows, and code in the text.
func commandsOf(t *testing.T, file string) (all []shown) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	where := filepath.Base(file)
	for _, block := range fence.FindAllStringSubmatch(string(data), -1) {
		switch kind, text := block[2], block[3]; kind {
		case "console":
			for line := range strings.Lines(text) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					all = append(all, shown{where: where, line: strings.TrimSpace(command), results: block[1]})
				} else if len(all) == 0 {
					t.Errorf("%s: %q is the output of no command", where, line)
				} else {
					all[len(all)-1].output += line
				}
			}
		case "yaml":
			for _, m := range inYAML.FindAllStringSubmatch(text, -1) {
				all = append(all, shown{where: where, line: m[1]})
			}
		default:
			if regexp.MustCompile(`(?m)^(\$ )?(modmatrix|make|go) `).MatchString(text) {
				t.Errorf("%s: commands are shown in a block of %q, which no test runs: write console", where, kind)
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(string(data), ""), -1) {
		all = append(all, shown{where: where, line: strings.ReplaceAll(m[1], `\|`, "|")})
	}
	return all
}

// Every word that a record can hold, and every variable that modmatrix reads, is explained.
func TestDocumentsAreComplete(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	verdicts := read("docs/verdicts.md")
	for _, code := range results.Codes {
		if !strings.Contains(verdicts, "`"+string(code)+"`") {
			t.Errorf("docs/verdicts.md does not explain the code %s", code)
		}
	}
	for _, status := range results.Statuses {
		if !strings.Contains(verdicts, "| `"+string(status)+"` |") {
			t.Errorf("docs/verdicts.md does not explain the status %s", status)
		}
	}
	var stages []string
	for _, stage := range results.Stages {
		stages = append(stages, string(stage))
	}
	if list := strings.Join(stages, " "); !strings.Contains(verdicts, "`"+list+"`") {
		t.Errorf("docs/verdicts.md does not list the stages: %s", list)
	}
	variable := regexp.MustCompile(`"(MODMATRIX_[A-Z_]+)"`)
	configuration := read("docs/configuration.md")
	err := filepath.WalkDir(repository, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range variable.FindAllStringSubmatch(string(data), -1) {
			if !slices.Contains(internal, m[1]) && !strings.Contains(configuration, "`"+m[1]+"`") {
				t.Errorf("docs/configuration.md does not explain %s of %s", m[1], path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Links lead somewhere, and so do the names of files and folders of this repository.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	path := regexp.MustCompile("`((?:cmd|harness|initramfs|kernels|results|suites|vm|docs)(?:/[a-z_*.-]+)*)`")
	found := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check := func(name string) {
			found++
			if all, err := filepath.Glob(name); err != nil || len(all) == 0 {
				t.Errorf("%s names %s, which is not there", filepath.Base(file), name)
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			check(filepath.Join(filepath.Dir(file), m[1]))
		}
		for _, m := range path.FindAllStringSubmatch(string(text), -1) {
			check(filepath.Join(repository, m[1]))
		}
	}
	if found < 15 {
		t.Errorf("only %d names were found: has the form of the documents changed?", found)
	}
}

// internal are variables that one process of modmatrix sets for another.
var internal = []string{"MODMATRIX_CALM", "MODMATRIX_REPORT_FD", "MODMATRIX_ACK_FD", "MODMATRIX_PLAN"}
