package results

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The files of a folder of results.
const (
	FileName    = "results.json"
	JournalName = "journal.jsonl"
	MatrixName  = "matrix.md"
	CellsName   = "cells" // cells/RELEASE/SUITE/ holds the artifacts of a cell
)

// Folder is an open folder of results. It is read and written through a handle on it: a folder may have come with a
// stranger's files, and no symbolic link in it leads anywhere else.
type Folder struct {
	root *os.Root
	path string // as the user gave it
}

// OpenFolder opens the folder at path, which it makes where there is none. It refuses a symbolic link, and a folder that
// holds what is called like the results of a run and was not written by one: a run would replace it.
func OpenFolder(path string) (*Folder, error) {
	path = filepath.Clean(path)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil, cmp.Or(err, fmt.Errorf("%s is a symbolic link: give the folder that it leads to", path))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{root, path}
	if err := f.check(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Made reports whether a run has written into the folder at path.
func Made(path string) bool {
	root, err := os.OpenRoot(path)
	if err != nil {
		return false
	}
	defer root.Close()
	f := &Folder{root, path}
	if f.isDocument() {
		return true
	}
	info, err := root.Lstat(JournalName)
	if err != nil || !f.begins(JournalName, journalMark) {
		return false
	}
	entries, err := fs.ReadDir(f.FS(), ".")
	return info.Size() >= int64(len(journalMark)) || err == nil && len(entries) == 1 // a run that begins has written no more yet
}

// journalMark is how the journal of a run begins.
const journalMark = `{"head":{"schema":"modmatrix.journal/`

func (f *Folder) check() error {
	found := ""
	for _, name := range []string{FileName, JournalName, MatrixName, CellsName} {
		info, err := f.root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case info.IsDir() != (name == CellsName) || !info.IsDir() && !info.Mode().IsRegular():
			return fmt.Errorf("%s holds a %s that no run made (%s): remove it, or give another folder", f.path, name, info.Mode())
		default:
			found = cmp.Or(found, name)
		}
	}
	if found != "" && !f.begins(JournalName, journalMark) && !f.isDocument() {
		return fmt.Errorf("%s holds a %s that no run made: move it away, or give another folder", f.path, found)
	}
	return nil
}

// begins reports whether a file begins with mark, as far as it goes: a killed run may have written less.
func (f *Folder) begins(name, mark string) bool {
	file, err := f.root.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, int64(len(mark))))
	return err == nil && strings.HasPrefix(mark, string(head))
}

// isDocument reports whether results.json says of itself that it is one.
func (f *Folder) isDocument() bool {
	file, err := f.root.Open(FileName)
	if err != nil {
		return false
	}
	defer file.Close()
	var head [3]json.Token // { "schema" : "…"
	tokens := json.NewDecoder(file)
	for i := range head {
		if head[i], err = tokens.Token(); err != nil {
			return false
		}
	}
	schema, _ := head[2].(string)
	return head[1] == "schema" && strings.HasPrefix(schema, "modmatrix.results/")
}

// Path is where the folder lies, as it was given.
func (f *Folder) Path() string { return f.path }

// Close releases the handle; what was opened below stays open.
func (f *Folder) Close() error { return f.root.Close() }

// FS is the folder's content.
func (f *Folder) FS() fs.FS { return f.root.FS() }

// Remove removes name and what lies below.
func (f *Folder) Remove(name string) error { return f.root.RemoveAll(name) }

// Has reports whether all of names are there, as regular files.
func (f *Folder) Has(names []string) bool {
	for _, name := range names {
		if info, err := f.root.Lstat(name); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Write writes the file called name, all of it or nothing, with what write writes. Folders above are made. Until it is whole
// it lies beside its place under a name that begins with a dot, where the next run finds it if this one is killed.
func (f *Folder) Write(name string, write func(io.Writer) error) error {
	if err := f.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	temp := path.Join(path.Dir(name), "."+path.Base(name)+"."+rand.Text())
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	err = cmp.Or(write(out), out.Flush(), file.Sync())
	if err = cmp.Or(err, file.Close()); err == nil {
		err = f.root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	return nil
}

// WriteFile is Write with data.
func (f *Folder) WriteFile(name string, data []byte) error {
	return f.Write(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
