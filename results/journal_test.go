package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var someHead = Head{Schema: JournalSchema, Run: Run{ID: "one"}, Module: Module{Name: "driver"}, Facts: []Fact{{"QEMU", "7.2"}}}

// openJournal opens the journal at path, whatever else lies there.
func openJournal(t *testing.T, path string) (*Journal, Log, error) {
	t.Helper()
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return (&Folder{root, filepath.Dir(path)}).Journal()
}

// journalOf writes a journal and gives its path and what is in the file.
func journalOf(t *testing.T, records ...Record) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), JournalName)
	j, log, err := openJournal(t, path)
	if err != nil || log.Head != nil {
		t.Fatalf("a new journal: %+v, %v", log, err)
	}
	errs := []error{j.Reset(someHead)}
	for _, rec := range records {
		errs = append(errs, j.Append(rec))
	}
	if err := errors.Join(append(errs, j.Close())...); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

// reopened is what a journal with this content is taken for.
func reopened(t *testing.T, path string, data []byte) (*Journal, Log) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	j, log, err := openJournal(t, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, log
}

func TestJournalOutlivesATornLine(t *testing.T) {
	first, second, third := cell("6.1.0-amd64", "lifecycle"), cell("6.12.0-amd64", "lifecycle"), cell("7.2.0-amd64", "lifecycle")
	path, whole := journalOf(t, first, second)
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for cut := last; cut < len(whole); cut += 97 { // torn at any place
		for _, text := range [][]byte{whole[:cut], append(bytes.Clone(whole[:cut]), 0, 0, 0, '\n')} {
			j, log := reopened(t, path, text)
			if !reflect.DeepEqual(log.Records, []Record{first}) || !reflect.DeepEqual(*log.Head, someHead) {
				t.Fatalf("torn after %d bytes: %+v", cut, log)
			}
			if err := errors.Join(j.Append(third), j.Close()); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			j, log = reopened(t, path, got)
			if !reflect.DeepEqual(log.Records, []Record{first, third}) {
				t.Fatalf("torn after %d bytes and appended to: %+v", cut, log)
			}
			j.Close()
		}
	}
}

func TestJournalGivesTheLastWord(t *testing.T) {
	broke := cell("6.1.0-amd64", "lifecycle").decided(Error, StageTest, CodeInfra, "QEMU died")
	other, passed := cell("6.12.0-amd64", "lifecycle"), cell("6.1.0-amd64", "lifecycle")
	path, data := journalOf(t, broke, other, passed)
	j, log := reopened(t, path, data)
	if !reflect.DeepEqual(log.Records, []Record{passed, other}) || log.Finished {
		t.Errorf("got %+v", log)
	}
	later := someHead
	later.Module.Version = "2"
	if err := errors.Join(j.Begin(later), j.Finish(), j.Close()); err != nil {
		t.Fatal(err)
	}
	data, _ = os.ReadFile(path)
	if _, log := reopened(t, path, data); !log.Finished || log.Head.Module.Version != "2" || len(log.Records) != 2 {
		t.Errorf("got %+v", log)
	}
}

// A row of the matrix may be known by its name alone at first: it is the same cell when more is known.
func TestJournalHasOneRecordForACell(t *testing.T) {
	unresolved, passed := cell("6.1.0-amd64", "lifecycle").decided(Miss, StageFetch, CodeInfra, "no network"), cell("6.1.0-amd64", "lifecycle")
	unresolved.Target = Target{Release: unresolved.Target.Release, Source: "debian:bookworm"}
	path, data := journalOf(t, passed, unresolved, passed)
	if _, log := reopened(t, path, data); !reflect.DeepEqual(log.Records, []Record{passed}) {
		t.Errorf("got %+v", log.Records)
	}
}

// What a run reads back at its end was all on the disk: what is broken there is not a torn line, and is not passed over.
func TestJournalReadBack(t *testing.T) {
	path, data := journalOf(t, cell("6.1.0-amd64", "lifecycle"))
	j, _ := reopened(t, path, data)
	second := cell("6.12.0-amd64", "lifecycle")
	if err := j.Append(second); err != nil {
		t.Fatal(err)
	}
	if log, err := j.Log(); err != nil || len(log.Records) != 2 || !reflect.DeepEqual(log.Records[1], second) {
		t.Errorf("%+v, %v", log, err)
	}
	for _, size := range []int64{int64(len(data)), int64(len(data)) + 5, 3} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if log, err := j.Log(); err == nil || len(log.Records) > 0 {
			t.Errorf("cut to %d bytes by somebody: %+v, %v", size, log, err)
		}
	}
}

func TestJournalBelongsToOne(t *testing.T) {
	path, _ := journalOf(t)
	j, _, err := openJournal(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if other, _, err := openJournal(t, path); other != nil || !errors.Is(err, ErrBusy) {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if other, _, err := openJournal(t, path); err != nil || errors.Join(other.Close()) != nil {
		t.Errorf("not opened again: %v", err)
	}
}

func TestJournalThatCannotBeBelieved(t *testing.T) {
	path, good := journalOf(t, cell("6.1.0-amd64", "lifecycle"), cell("6.12.0-amd64", "lifecycle"))
	lines := strings.SplitAfter(string(good), "\n")
	for name, c := range map[string]struct{ doc, want string }{
		"nonsense in between":   {lines[0] + "nonsense\n" + lines[1], "line 2"},
		"no head":               {lines[1] + lines[2], "line 1: no head"},
		"another version":       {strings.Replace(string(good), "journal/v1", "journal/v2", 1), "another version"},
		"an unknown status":     {lines[0] + strings.Replace(lines[1], `"PASS"`, `"GREEN"`, 1) + lines[2], "unknown status"},
		"an artifact elsewhere": {lines[0] + strings.Replace(lines[1], `"console":"cells`, `"console":"../cells`, 1) + lines[2], "lies outside"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.doc), 0o644); err != nil {
				t.Fatal(err)
			}
			j, log, err := openJournal(t, path)
			if err == nil || !strings.Contains(err.Error(), c.want) || log.Head != nil || j == nil {
				t.Fatalf("%+v, %v; want %q", log, err, c.want)
			}
			if now, _ := os.ReadFile(path); string(now) != c.doc {
				t.Error("it was changed")
			}
			if err := errors.Join(j.Reset(someHead), j.Close()); err != nil {
				t.Error(err)
			}
			if data, _ := os.ReadFile(path); string(data) != lines[0] {
				t.Errorf("after a reset: %q", data)
			}
		})
	}
}

func FuzzJournal(f *testing.F) {
	rec := cell("6.1.0-amd64", "lifecycle")
	for _, l := range []line{{Record: &rec}, {Finished: true}} {
		text, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		head, _ := json.Marshal(line{Head: &someHead})
		f.Add(append(append(head, '\n'), append(text, '\n')...))
	}
	f.Add([]byte("{}\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		log, end, err := parseJournal(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, sameEnd, err := parseJournal(bytes.NewReader(data[:end]))
		if err != nil || sameEnd != end || !reflect.DeepEqual(log, again) {
			t.Errorf("cut behind its last good line, it says %+v, %v instead of %+v", again, err, log)
		}
		for _, rec := range log.Records {
			if err := rec.check(); err != nil || log.Head == nil {
				t.Errorf("believed: %+v, %v", rec, err)
			}
		}
	})
}
