package results

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoCollection says that a document is none, or of another version.
var ErrNoCollection = errors.New("no collection that this version reads")

// ReadCollection reads the document at path, a file or the one in a folder, and says in which folder it is.
func ReadCollection(path string) (*Collection, string, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, CollectionName)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	c, err := DecodeCollection(f)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	return c, filepath.Dir(path), nil
}

// DecodeCollection reads a collection from in, and checks what its readers rely on.
func DecodeCollection(in io.Reader) (*Collection, error) {
	var text bytes.Buffer
	if _, err := text.ReadFrom(io.LimitReader(in, maxFile+1)); err != nil {
		return nil, err
	}
	if text.Len() > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	c := new(Collection)
	err := json.Unmarshal(text.Bytes(), c)
	switch {
	case err != nil && c.Schema == "":
		return nil, jsonError(text.Bytes(), err)
	case c.Schema != CollectionSchema:
		return nil, fmt.Errorf("%w: its schema is %q, not %q", ErrNoCollection, Plain(c.Schema), CollectionSchema)
	case err != nil:
		return nil, jsonError(text.Bytes(), err)
	}
	return c, c.check()
}

func (c *Collection) check() error {
	if c.Own != nil {
		if err := c.Own.check(); err != nil {
			return fmt.Errorf("own results: %w", err)
		}
	}
	for i, t := range c.Testers {
		if t.TestedBy != "" && !IsPerson(t.TestedBy) || t.Trust != TrustedKey && (t.Trust != UnknownKey || t.TestedBy != "") {
			return fmt.Errorf("tester %d is %q, and cannot be named or counted", i+1, Plain(string(t.Trust)))
		}
		for _, rec := range t.Records {
			if err := rec.check(); err != nil {
				return fmt.Errorf("tester %d (%s, %s): %w", i+1, Plain(rec.Target.Label()), Plain(rec.Suite), err)
			}
		}
	}
	for _, f := range c.Files {
		if !slices.Contains(Uses, f.Use) || !slices.Contains(trusts, f.Trust) {
			return fmt.Errorf("file %q: unknown use %q or trust %q", Plain(f.Name), Plain(string(f.Use)), Plain(string(f.Trust)))
		}
	}
	if tally := c.count(); !maps.Equal(tally.Files, c.Tally.Files) || tally.numbers() != c.Tally.numbers() {
		return errors.New("the tally is not that of the testers and files")
	}
	return nil
}

// JSON writes the document: the same collection gives the same bytes, and lists are never null.
func (c *Collection) JSON(w io.Writer) error {
	doc := *c
	doc.Schema, doc.Testers, doc.Files, doc.Conflicts = CollectionSchema, slices.Clone(notNil(c.Testers)), notNil(c.Files), notNil(c.Conflicts)
	for i, t := range doc.Testers {
		doc.Testers[i].Records = []Record{}
		for _, rec := range t.Records {
			doc.Testers[i].Records = append(doc.Testers[i].Records, rec.noNull())
		}
	}
	if c.Own != nil {
		own := *c.Own
		own.Records = nil
		for _, rec := range c.Own.Records {
			own.Records = append(own.Records, rec.noNull())
		}
		doc.Own = &own
	}
	data, err := indented(doc, "")
	if err != nil {
		return err
	}
	_, err = PlainJSON(w).Write(data)
	return err
}

// collectionMark is how the document begins.
const collectionMark = "{\n \"schema\": \"modmatrix.collection/"

// HoldsCollection reports whether a collection was written into the folder at path.
func HoldsCollection(path string) bool {
	root, err := os.OpenRoot(path)
	if err != nil {
		return false
	}
	defer root.Close()
	info, err := root.Lstat(CollectionName)
	return err == nil && info.Mode().IsRegular() && info.Size() >= int64(len(collectionMark)) && (&Folder{root, path}).begins(CollectionName, collectionMark)
}

// Write writes the document into f, all of it or nothing. It takes the place of another collection, and of no other file.
func (c *Collection) Write(f *Folder) error {
	if _, err := f.root.Lstat(CollectionName); err == nil && !f.begins(CollectionName, collectionMark) {
		return fmt.Errorf("%s holds a %s that is no collection: move it away, or give another folder", f.path, CollectionName)
	}
	if err := f.Write(CollectionName, c.JSON); err != nil {
		return fmt.Errorf("write %s: %w", CollectionName, err)
	}
	return nil
}

// ArchiveName is what the archive of everything that counts is called.
func (c *Collection) ArchiveName() string {
	parts := strings.Split(strings.Trim(c.Module.Name+"-"+c.Module.Version, "-."), ".")
	for i := range parts {
		parts[i] = plainName(parts[i])
	}
	return cmp.Or(strings.Join(parts, "."), "module") + ".collection.tar.zst"
}
