package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// maxFile bounds results.json: ten thousand records with their excerpts are a tenth of it.
const maxFile = 1 << 30 // 1 GiB

// Read reads the document at path. It checks what every consumer relies on: the schema, that every record has a known
// status, that no cell is there twice, that the summary agrees with the records, and that no artifact lies outside
// of the document's folder. Unknown fields are fine: new ones may come.
func Read(path string) (*Results, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// ReadAt is Read, of a file or of the results in a folder, and says which folder artifacts lie in.
func ReadAt(path string) (*Results, string, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	r, err := Read(path)
	return r, filepath.Dir(path), err
}

// Decode is Read, of what in holds.
func Decode(in io.Reader) (*Results, error) {
	var text bytes.Buffer
	if file, ok := in.(*os.File); ok { // at once, and not in steps that are each a copy
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			text.Grow(int(min(info.Size(), maxFile)) + bytes.MinRead)
		}
	}
	_, err := text.ReadFrom(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, err
	}
	data := text.Bytes()
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	r := new(Results)
	err = json.Unmarshal(data, r)
	if r.Schema != Schema { // or it was not read that far
		var head struct {
			Schema string `json:"schema"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return nil, jsonError(data, err)
		}
		if head.Schema != Schema {
			return nil, fmt.Errorf("schema is %q, not %q: made by another version, or no results at all", Plain(head.Schema), Schema)
		}
	}
	if err != nil {
		return nil, jsonError(data, err)
	}
	return r, r.check()
}

// jsonError says where in the file the trouble is, in the line that an editor shows.
func jsonError(data []byte, err error) error {
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
	}
	if offset < 0 || offset > int64(len(data)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
}

func (r *Results) check() error {
	if err := r.Run.Asked.check(); err != nil {
		return err
	}
	seen := map[recordKey]bool{}
	for i, rec := range r.Records {
		err := rec.check()
		if err == nil && seen[rec.key()] {
			err = errors.New("the cell is there twice")
		}
		if err != nil {
			return fmt.Errorf("record %d (%s, %s): %w", i+1, Plain(rec.Target.Label()), Plain(rec.Suite), err)
		}
		seen[rec.key()] = true
	}
	if sum := r.count(); !maps.Equal(sum, r.Summary) {
		return fmt.Errorf("the summary says %v, the records %v", r.Summary, sum)
	}
	return nil
}

type recordKey struct {
	target Target
	suite  string
}

func (rec Record) key() recordKey { return recordKey{rec.Target.key(), rec.Suite} }

func (rec Record) check() error {
	if !slices.Contains(Statuses, rec.Status) {
		return fmt.Errorf("unknown status %q", Plain(string(rec.Status)))
	}
	if rec.Stage != "" && !slices.Contains(Stages, rec.Stage) {
		return fmt.Errorf("unknown stage %q", Plain(string(rec.Stage)))
	}
	for _, s := range rec.Specs {
		if !slices.Contains(Statuses, s.Status) {
			return fmt.Errorf("spec %q: unknown status %q", Plain(s.Name), Plain(string(s.Status)))
		}
	}
	for _, p := range rec.Predicted {
		if err := p.check(); err != nil {
			return err
		}
	}
	if err := rec.InTreeRun.check(); err != nil { // before its files are listed: copies of copies have no end
		return err
	}
	for _, o := range rec.Others {
		if len(o.Others) > 0 || o.key() != rec.key() || o.Origin == nil {
			return errors.New("a verdict below it is of another cell, or of no run")
		}
		if err := o.check(); err != nil {
			return err
		}
	}
	for _, path := range rec.Files() {
		if !filepath.IsLocal(path) {
			return fmt.Errorf("artifact %q lies outside of the folder", Plain(path))
		}
	}
	return nil
}

// Write writes the document into f, all of it or nothing. Records stay in the order they have (see Finish), with the summary
// counted anew; the same records give the same bytes.
func (r *Results) Write(f *Folder) error {
	if err := f.Write(FileName, r.JSON); err != nil {
		return fmt.Errorf("write %s: %w", FileName, err)
	}
	return nil
}

// JSON writes the document as results.json has it. Lists are never null, and the keys of the summary are sorted. It goes
// record by record: an encoder holds what it is given, and of a large matrix that would be several times its size.
func (r *Results) JSON(w io.Writer) error {
	doc := *r
	doc.Schema, doc.Records = Schema, []Record{}
	doc.Summary, doc.Untested = r.count(), r.WhyUntested()
	frame, err := indented(doc, "")
	if err != nil {
		return err
	}
	const list = "\n \"records\": [" // at the top: no string has a line break in it
	head, tail, _ := bytes.Cut(frame, []byte(list+"]"))
	out := PlainJSON(w)
	_, err = out.Write(append(head, list...))
	separator, end := "\n  ", ""
	for i := 0; err == nil && i < len(r.Records); i++ {
		var rec []byte
		if rec, err = indented(r.Records[i].noNull(), "  "); err == nil {
			_, err = out.Write(slices.Concat([]byte(separator), bytes.TrimSpace(rec)))
		}
		separator, end = ",\n  ", "\n "
	}
	if err == nil {
		_, err = out.Write(slices.Concat([]byte(end+"]"), tail))
	}
	return err
}

// indented is v as results.json has it, in lines that begin with prefix, but for the first.
func indented(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent(prefix, " ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// noNull is rec with lists where it has none.
func (rec Record) noNull() Record {
	rec.Specs, rec.Splats = notNil(rec.Specs), notNil(rec.Splats)
	if rec.Taint != nil {
		t := *rec.Taint
		t.Delta = notNil(t.Delta)
		rec.Taint = &t
	}
	rec.Others = slices.Clone(rec.Others)
	for i, o := range rec.Others {
		rec.Others[i] = o.noNull()
	}
	if rec.InTreeRun != nil {
		rec.InTreeRun = &InTreeRun{notNil(rec.InTreeRun.Modules), rec.InTreeRun.Record.noNull()}
	}
	return rec
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
