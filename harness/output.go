package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// output is the folder that a run writes: results.json, matrix.md, journal.jsonl and cells/RELEASE/SUITE/.
type output struct {
	*results.Folder
	log *results.Journal

	mu    sync.Mutex
	cells int   // whose artifacts were written
	bytes int64 // of all of them
}

// openOutput opens the folder, which it makes, and its journal. An error with an output: nothing of the journal can be believed.
func openOutput(dir string) (*output, results.Log, error) {
	folder, err := results.OpenFolder(dir)
	if err != nil {
		return nil, results.Log{}, notOpened(dir, err)
	}
	journal, log, err := folder.Journal()
	if journal == nil {
		return nil, results.Log{}, notOpened(dir, errors.Join(err, folder.Close()))
	}
	return &output{Folder: folder, log: journal}, log, err
}

func (o *output) close() error { return errors.Join(o.log.Close(), o.Folder.Close()) }

// notOpened is a mistake of the caller, unless the disk is full.
func notOpened(dir string, err error) error {
	switch {
	case store.IsFull(err):
		return fullFolder(dir, err, usualCell)
	case errors.Is(err, results.ErrBusy):
		return &UsageError{fmt.Errorf("output folder %s: %w; wait for its end, or give another folder with -o", dir, results.ErrBusy)}
	}
	return &UsageError{fmt.Errorf("output folder: %w", err)}
}

// sweep removes what an earlier run left, and what a killed one was writing, but for the artifacts of kept.
func (o *output) sweep(kept []results.Record) error {
	keep := map[string]bool{}
	for _, rec := range kept {
		keep[o.cell(rec.Target, rec.Suite, 1)] = true
	}
	var old []string
	for _, pattern := range []string{results.FileName, results.MatrixName, "." + results.FileName + "*", "." + results.MatrixName + "*", results.CellsName + "/*/*"} {
		found, err := fs.Glob(o.FS(), pattern)
		if err != nil {
			return err
		}
		old = append(old, found...)
	}
	for _, name := range old {
		if keep[name] {
			continue
		}
		if err := o.Remove(name); err != nil {
			return fmt.Errorf("output folder: %w", err)
		}
		dir := path.Dir(name)
		if left, err := fs.ReadDir(o.FS(), dir); path.Dir(dir) == results.CellsName && err == nil && len(left) == 0 {
			_ = o.Remove(dir)
		}
	}
	return nil
}

// cell is the folder of a cell's artifacts; that of a second attempt, and of each after it, lies within that of the first.
func (o *output) cell(t results.Target, suite string, try int) string {
	return attemptDir(filepath.Join(results.CellsName, FileName(t.Label()), FileName(suite)), try)
}

func attemptDir(cell string, try int) string {
	if try > 1 {
		return filepath.Join(cell, fmt.Sprintf("attempt-%d", try))
	}
	return cell
}

// FileName keeps a name from leaving its folder.
func FileName(s string) string {
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

// keep writes a cell's artifacts into its folder; nil or empty ones are left out.
func (o *output) keep(cell, buildLog string, console []byte, suite string, specs []results.Spec) (results.Artifacts, error) {
	var a results.Artifacts
	var err error
	size := 0
	put := func(path *string, name string, data []byte) {
		if err != nil || len(data) == 0 {
			return
		}
		if err = o.WriteFile(filepath.Join(cell, name), data); err == nil {
			*path = filepath.Join(cell, name)
			size += len(data)
		}
	}
	var log, list []byte
	if buildLog != "" {
		log, err = os.ReadFile(buildLog)
	}
	if err == nil && len(specs) > 0 {
		list, err = specsJSON(specs)
	}
	put(&a.BuildLog, "build.log", log)
	put(&a.Console, "console.log", console)
	put(&a.SuiteLog, "suite.log", []byte(suite))
	put(&a.Specs, "specs.json", list)
	o.mu.Lock()
	o.cells, o.bytes = o.cells+1, o.bytes+int64(size)
	o.mu.Unlock()
	return a, err
}

// write puts the whole result beside the artifacts, each file whole or not at all, and closes the journal.
func (o *output) write(res *results.Results, finished bool) error {
	var md strings.Builder
	err := res.Write(o.Folder)
	if err == nil {
		err = report.Markdown(&md, res)
	}
	if err == nil {
		err = o.WriteFile(results.MatrixName, []byte(md.String()))
	}
	if err == nil && finished {
		err = o.log.Finish()
	}
	return errors.Join(err, o.close())
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}

func specsJSON(specs []results.Spec) ([]byte, error) {
	data, err := json.MarshalIndent(specs, "", "\t")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = results.PlainJSON(&b).Write(data)
	return b.Bytes(), err
}

// usualCell is what the artifacts of a cell take, in bytes, before there is one to go by: most of it is the console.
const usualCell = 128 << 10

// trouble explains an error of writing to the folder: where the disk is full, it names the folder, how much is free, and
// how much the cells that are left, and results.json, are likely to need. It is nil for nil.
func (o *output) trouble(err error, left int) error {
	switch {
	case err == nil:
		return nil
	case !store.IsFull(err):
		return fmt.Errorf("write results: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	each := int64(usualCell)
	if o.cells > 0 {
		each = max(each, o.bytes/int64(o.cells))
	}
	return fullFolder(o.Path(), err, each*int64(left+1))
}

func fullFolder(dir string, err error, need int64) error {
	return fmt.Errorf("the folder of results %s is full (%s): make room and add --resume, or give another folder with -o: %w",
		dir, store.Room(dir, err, uint64(need)), err)
}
