package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// output is the folder that a run writes: results.json, matrix.md, journal.jsonl and cells/RELEASE/SUITE/.
type output struct {
	dir string
	log *results.Journal

	mu    sync.Mutex
	cells int   // whose artifacts were written
	bytes int64 // of all of them
}

// The files of a folder of results, beside the journal and the artifacts.
const (
	cellsDir   = "cells"
	matrixFile = "matrix.md"
)

// openOutput makes the folder and opens its journal. Where there is an output, an error says why nothing of the journal
// can be believed.
func openOutput(dir string) (*output, results.Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, results.Log{}, notOpened(dir, err)
	}
	journal, log, err := results.OpenJournal(filepath.Join(dir, results.JournalName))
	if journal == nil {
		return nil, results.Log{}, notOpened(dir, err)
	}
	return &output{dir: dir, log: journal}, log, err
}

// notOpened is a mistake of the caller, unless the disk is full.
func notOpened(dir string, err error) error {
	switch {
	case store.IsFull(err):
		return (&output{dir: dir}).trouble(err, 0)
	case errors.Is(err, results.ErrBusy):
		return &UsageError{fmt.Errorf("output folder %s: %w; wait for its end, or give another folder with -o", dir, results.ErrBusy)}
	}
	return &UsageError{fmt.Errorf("output folder: %w", err)}
}

// sweep removes what an earlier run left in the folder, but for the artifacts of the records that are kept. It also finds
// the files that a killed process was just writing.
func (o *output) sweep(kept []results.Record) error {
	keep := map[string]bool{}
	for _, rec := range kept {
		keep[o.cell(rec.Target, rec.Suite, 1)] = true
	}
	var old []string
	for _, pattern := range []string{results.FileName, matrixFile, "." + results.FileName + "*", "." + matrixFile + "*", cellsDir + "/*/*"} {
		found, err := fs.Glob(os.DirFS(o.dir), pattern)
		if err != nil {
			return err
		}
		old = append(old, found...)
	}
	for _, name := range old {
		if keep[name] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(o.dir, name)); err != nil {
			return fmt.Errorf("output folder: %w", err)
		}
		if filepath.Dir(filepath.Dir(name)) == cellsDir {
			_ = os.Remove(filepath.Join(o.dir, filepath.Dir(name))) // where it is empty
		}
	}
	return nil
}

// has reports whether all files are there.
func (o *output) has(files []string) bool {
	for _, name := range files {
		info, err := os.Lstat(filepath.Join(o.dir, name))
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// cell returns the folder of a cell's artifacts, relative to dir. The first attempt at it has the cell's own folder, any
// other one a folder in there.
func (o *output) cell(t results.Target, suite string, try int) string {
	label := t.Release
	if t.Profile != "" {
		label += "+" + t.Profile
	}
	dir := filepath.Join(cellsDir, FileName(label), FileName(suite))
	if try > 1 {
		dir = filepath.Join(dir, fmt.Sprintf("attempt-%d", try))
	}
	return dir
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
	err := os.MkdirAll(filepath.Join(o.dir, cell), 0o755)
	size := 0
	put := func(path *string, name string, data []byte) {
		if err != nil || len(data) == 0 {
			return
		}
		if err = writeFile(filepath.Join(o.dir, cell, name), data); err == nil {
			*path = filepath.Join(cell, name)
			size += len(data)
		}
	}
	var log, list []byte
	if err == nil && buildLog != "" {
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
	err := res.Write(filepath.Join(o.dir, results.FileName))
	if err == nil {
		err = report.Markdown(&md, res)
	}
	if err == nil {
		err = writeFile(filepath.Join(o.dir, matrixFile), []byte(md.String()))
	}
	if err == nil && finished {
		err = o.log.Finish()
	}
	return errors.Join(err, o.log.Close())
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

// specsJSON is the artifact specs.json.
func specsJSON(specs []results.Spec) ([]byte, error) {
	data, err := json.MarshalIndent(specs, "", "\t")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = results.PlainJSON(&b).Write(data)
	return b.Bytes(), err
}
