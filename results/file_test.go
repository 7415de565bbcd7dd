package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folderOf opens the folder of the file at path.
func folderOf(t *testing.T, path string) *Folder {
	t.Helper()
	f, err := OpenFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestResultsAreReadAsTheyWereWritten(t *testing.T) {
	want := everything()
	path := filepath.Join(t.TempDir(), FileName)
	if err := want.Write(folderOf(t, path)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "everything.json", data)
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := got.JSON(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), data) {
		t.Error("written again, it is another document")
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) != 1 {
		t.Errorf("left behind: %q", files)
	}
}

func TestReadRefusesWhatCannotBeBelieved(t *testing.T) {
	valid := func(change string) string {
		r := &Results{Run: Run{Asked: Asked{Words: []string{"run"}}}, Records: []Record{cell("6.1.0-amd64", "lifecycle", specs(1)...)}}
		r.Finish()
		var b bytes.Buffer
		if err := r.JSON(&b); err != nil {
			t.Fatal(err)
		}
		from, to, _ := strings.Cut(change, "→")
		doc := b.String()
		if !strings.Contains(doc, from) {
			t.Fatalf("no %q in %s", from, doc)
		}
		return strings.Replace(doc, from, to, 1)
	}
	for _, tc := range []struct{ name, doc, want string }{
		{"it is empty", "", "unexpected end"},
		{"it is torn", valid("→")[:300], "unexpected end"},
		{"something follows", valid("→") + "{}", "invalid character"},
		{"it is another schema", valid("results/v1→results/v2"), `schema is "modmatrix.results/v2"`},
		{"it has no schema", "{}", `schema is ""`},
		{"a status is unknown", valid(`"status": "PASS"→"status": "GREEN"`), `unknown status "GREEN"`},
		{"a status is missing", valid(`"status": "PASS",→`), `unknown status ""`},
		{"a stage is unknown", valid(`"status": "PASS",→"status": "PASS", "stage": "party",`), `unknown stage "party"`},
		{"an artifact lies elsewhere", valid(`"console": "cells→"console": "../cells`), "lies outside"},
		{"an artifact is absolute", valid(`"console": "cells→"console": "/etc`), "lies outside"},
		{"the summary is embellished", valid(`"PASS": 1→"PASS": 2`), "the summary says"},
		{"it was asked for with something else", valid(`"run"
→"rm"
`), "neither run, nor build, nor check"},
		{"a type is wrong", valid(`"attempts": 1,→"attempts": "many",`), "line "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(tc.doc))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := Decode(strings.NewReader(valid(`"schema"→"new_field": 1, "schema"`))); err != nil {
		t.Errorf("a new field: %v", err)
	}
}

func TestReadRefusesACellThatIsThereTwice(t *testing.T) {
	rec := cell("6.1.0-amd64", "lifecycle")
	r := &Results{Records: []Record{rec, rec.decided(Fail, StageTest, CodeHang, "hangs")}}
	r.Finish()
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(&b); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := everything().JSON(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":"modmatrix.results/v1","records":[{"status":"PASS"}],"summary":{"PASS":1,"FAIL":0,"ERROR":0,"MISS":0,"SKIP":0}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, rec := range r.Records {
			if rec.Status != Pass && rec.Status != Skip && r.ExitCode() == ExitPass {
				t.Errorf("exit code 0 with %s", rec.Status)
			}
		}
	})
}

// The document is written record by record, and is what an encoder makes of the whole.
func TestRecordByRecord(t *testing.T) {
	evil := cell("6.1.0-amd64", "lifecycle").decided(Fail, StageTest, CodeOops, "<b>\u202e\x7f\n \"records\": []")
	evil.InTreeRun = &InTreeRun{Modules: []string{"driver"}, Record: cell("6.1.0-amd64", "lifecycle")}
	bare := Record{Target: Target{Release: "6.12.0-amd64"}, Status: Skip, Specs: []Spec{}, Splats: []Splat{}}
	for _, records := range [][]Record{{}, {evil}, {evil, bare, evil}, {bare}} {
		r := &Results{Schema: Schema, Module: Module{Name: "\n \"records\": []", Claims: &Claims{}}, Records: records}
		r.Summary, r.Untested = r.count(), r.WhyUntested()
		for i := range records {
			records[i] = records[i].noNull()
		}
		text, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(`\u003c`), []byte("<")), []byte(`\u003e`), []byte(">"))
		want := string(plainJSON(text)) + "\n"
		var got strings.Builder
		if err := r.JSON(&got); err != nil || got.String() != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, got.String(), want)
		}
	}
}

// Beyond the records themselves, writing the document takes no more for many than for few.
func TestWriteHoldsOneRecord(t *testing.T) {
	doc := func(n int) *Results {
		r := &Results{}
		for i := range n {
			r.Records = append(r.Records, cell(fmt.Sprintf("6.%d.0-amd64", i), "lifecycle"))
			r.Records[i].Splats = []Splat{{Excerpt: strings.Repeat("a line of the console\n", 200)}}
		}
		return r
	}
	most := func(r *Results) (largest int) {
		w := writerFunc(func(text []byte) (int, error) { largest = max(largest, len(text)); return len(text), nil })
		if err := r.JSON(w); err != nil {
			t.Fatal(err)
		}
		return largest
	}
	if few, many := most(doc(10)), most(doc(400)); many > 2*few {
		t.Errorf("%d bytes at once of 400 records, %d of 10", many, few)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(text []byte) (int, error) { return f(text) }

// Results.json and the journal are read on terminals as well.
func TestFilesLetNothingThrough(t *testing.T) {
	const mean = "x\u202e\u009b31m\x7f\x1b\u200b"
	rec := cell(mean, mean, Spec{Name: mean, Status: Fail, Message: mean})
	rec.Splats, rec.Notes = []Splat{{Title: mean, Excerpt: mean}}, []string{mean}
	r := &Results{Run: Run{Tool: mean}, Module: Module{Name: mean}, Records: []Record{rec}}
	r.Finish()
	var doc bytes.Buffer
	if err := r.JSON(&doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.String() {
		if c != '\n' && !shows(c) {
			t.Fatalf("results.json: %q came through", c)
		}
	}
}
