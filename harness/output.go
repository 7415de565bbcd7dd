package harness

import (
	"errors"
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

// cell gives the folder of a cell's artifacts, relative to dir. The first attempt at it has the cell's own folder, any
// other one a folder in there.
func (o *output) cell(t results.Target, suite string, try int) string {
	label := t.Release
	if t.Profile != "" {
		label += "+" + t.Profile
	}
	dir := filepath.Join("cells", fileName(label), fileName(suite))
	if try > 1 {
		dir = filepath.Join(dir, fmt.Sprintf("attempt-%d", try))
	}
	return dir
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
func (o *output) keep(cell, buildLog string, console []byte, suite string, specs []results.Spec) (results.Artifacts, error) {
	var a results.Artifacts
	if err := os.MkdirAll(filepath.Join(o.dir, cell), 0o755); err != nil {
		return a, err
	}
	put := func(path *string, name string, data []byte) error {
		err := writeFile(filepath.Join(o.dir, cell, name), data)
		if err == nil {
			*path = filepath.Join(cell, name)
		}
		return err
	}
	var errs []error
	if buildLog != "" {
		data, err := os.ReadFile(buildLog)
		if err == nil {
			err = put(&a.BuildLog, "build.log", data)
		}
		errs = append(errs, err)
	}
	if console != nil {
		errs = append(errs, put(&a.Console, "console.log", console))
	}
	if suite != "" {
		errs = append(errs, put(&a.SuiteLog, "suite.log", []byte(suite)))
	}
	if len(specs) > 0 {
		data, err := specsJSON(specs)
		if err == nil {
			err = put(&a.Specs, "specs.json", data)
		}
		errs = append(errs, err)
	}
	return a, errors.Join(errs...)
}

// suiteOutput is what the suite of g printed, if there was a guest.
func suiteOutput(g *Guest) string {
	if g == nil {
		return ""
	}
	return g.Output
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
	return writeFile(filepath.Join(o.dir, "matrix.md"), []byte(md.String()))
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return writeFile(dst, data)
}

// writeFile writes a file whole or not at all. Until it is whole it lies beside its place, and nowhere else: there it is
// found and swept when the process is killed.
func writeFile(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(filepath.Dir(path)))
}
