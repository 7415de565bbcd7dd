package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/results"
)

// output is the folder that a run writes: results.json, matrix.md, journal.jsonl and cells/RELEASE/SUITE/.
type output struct {
	dir string
	mu  sync.Mutex
	log *results.Journal
}

// openOutput makes the folder and proves that it can be written. What an earlier run left in it is replaced.
func openOutput(dir string) (*output, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("output folder: %w", err)
	}
	for _, old := range []string{"cells", "results.json", "matrix.md", "journal.jsonl"} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return nil, fmt.Errorf("output folder: %w", err)
		}
	}
	log, err := results.OpenJournal(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("output folder: %w", err)
	}
	return &output{dir: dir, log: log}, nil
}

// cell gives the folder of a cell's artifacts, relative to dir.
func (o *output) cell(t results.Target, suite string) string {
	label := t.Release
	if t.Profile != "" {
		label += "+" + t.Profile
	}
	return filepath.Join("cells", fileName(label), fileName(suite))
}

// fileName keeps a name from leaving its folder.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '/' || r == filepath.Separator || r < ' ' {
			return '_'
		}
		return r
	}, s)
	if s == "" || s == "." || s == ".." {
		return "_"
	}
	return s
}

func (o *output) journal(rec results.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Append(rec)
}

// keep writes a cell's artifacts into its folder; nil or empty ones are left out.
func (o *output) keep(cell, buildLog string, console []byte, specs []results.Spec) (results.Artifacts, error) {
	var a results.Artifacts
	dir := filepath.Join(o.dir, cell)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return a, err
	}
	if buildLog != "" {
		if err := copyFile(filepath.Join(dir, "build.log"), buildLog); err != nil {
			return a, err
		}
		a.BuildLog = filepath.Join(cell, "build.log")
	}
	if console != nil {
		if err := renameio.WriteFile(filepath.Join(dir, "console.log"), console, 0o644); err != nil {
			return a, err
		}
		a.Console = filepath.Join(cell, "console.log")
	}
	if len(specs) > 0 {
		data, err := specsJSON(specs)
		if err != nil {
			return a, err
		}
		if err := renameio.WriteFile(filepath.Join(dir, "specs.json"), data, 0o644); err != nil {
			return a, err
		}
		a.Specs = filepath.Join(cell, "specs.json")
	}
	return a, nil
}

// write puts the whole result beside the artifacts, each file whole or not at all.
func (o *output) write(res *results.Results) error {
	if err := o.log.Close(); err != nil {
		return err
	}
	if err := res.Write(filepath.Join(o.dir, "results.json")); err != nil {
		return err
	}
	var md strings.Builder
	if err := results.Markdown(&md, res); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(o.dir, "matrix.md"), []byte(md.String()), 0o644)
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return renameio.WriteFile(dst, data, 0o644)
}
