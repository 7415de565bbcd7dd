package results

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// JournalSchema names the format of the journal.
const JournalSchema = "modmatrix.journal/v1"

// maxJournal bounds the journal that is read back, in bytes.
const maxJournal = maxFile

// ErrBusy says that another process is writing the journal.
var ErrBusy = errors.New("another run is writing to it")

// Journal keeps records safe while a run goes on: one line of JSON each, on the disk before Append returns. What was
// judged survives a killed run and a power cut; only the line that was being written may be torn. So a run need not keep
// records in memory as well: at its end it reads them back (Log). The methods may be called from several goroutines. Until
// Close, or the death of the process, nobody else can open it.
type Journal struct {
	mu  sync.Mutex
	f   *os.File
	end int64 // behind the last whole line
}

// Log is what a journal holds.
type Log struct {
	Head     *Head    // as it was written last; nil in an empty journal
	Records  []Record // one for each cell, the last that was written of it, in the order of the first
	Finished bool     // the run came to its end
}

// Head says what run the journal is of.
type Head struct {
	Schema string `json:"schema"`
	Run    Run    `json:"run"`
	Module Module `json:"module"`
	Facts  []Fact `json:"facts"`
}

// Fact is something that the records rest on: with another value they would not hold.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// line is one line of the journal, of which one field is there, or Kept beside Head.
type line struct {
	Head     *Head    `json:"head,omitempty"`
	Kept     []Record `json:"kept,omitempty"` // all that counts of what came before
	Record   *Record  `json:"record,omitempty"`
	Finished bool     `json:"finished,omitempty"`
}

// Journal opens the journal of f to append to, made when it is not there, and returns what it holds so far. A torn last line
// is cut off. Where an earlier line is broken, or the format is another, the journal is open all the same, and the error says
// why nothing of it can be believed: it can only be Reset. The error wraps ErrBusy, and there is no journal, where another
// process has it.
func (f *Folder) Journal() (*Journal, Log, error) {
	path := filepath.Join(f.path, JournalName)
	file, err := f.root.OpenFile(JournalName, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, Log{}, fmt.Errorf("open journal: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrBusy
		}
		return nil, Log{}, errors.Join(fmt.Errorf("open journal %s: %w", path, err), file.Close())
	}
	j := &Journal{f: file}
	log, err := j.open()
	if err != nil {
		return j, Log{}, fmt.Errorf("read journal %s: %w", path, err)
	}
	return j, log, nil
}

func (j *Journal) open() (Log, error) {
	info, err := j.f.Stat()
	if err != nil {
		return Log{}, err
	}
	if info.Size() > maxJournal {
		return Log{}, fmt.Errorf("larger than %d bytes", maxJournal)
	}
	log, end, err := parseJournal(io.NewSectionReader(j.f, 0, info.Size()))
	if err != nil {
		return Log{}, err
	}
	return log, j.cut(end)
}

// Log reads back what the journal holds by now. All of it was on the disk, so that nothing in it may be torn.
func (j *Journal) Log() (Log, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	log, end, err := parseJournal(io.NewSectionReader(j.f, 0, j.end))
	if err == nil && end != j.end {
		err = fmt.Errorf("broken behind its first %d bytes", end)
	}
	if err != nil {
		return Log{}, fmt.Errorf("read journal back: %w", err)
	}
	return log, nil
}

func (j *Journal) cut(end int64) error {
	if err := j.f.Truncate(end); err != nil {
		return err
	}
	j.end = end
	return nil
}

// Reset forgets everything and begins the journal of a new run.
func (j *Journal) Reset(h Head) error {
	j.mu.Lock()
	err := j.cut(0)
	j.mu.Unlock()
	if err != nil {
		return fmt.Errorf("reset journal: %w", err)
	}
	return j.Begin(h)
}

// Restart begins the journal of a new run with kept alone, in one line: a power cut leaves either the old run or the new one.
func (j *Journal) Restart(h Head, kept []Record) error {
	h.Schema = JournalSchema
	return j.write(line{Head: &h, Kept: kept})
}

// Begin says what run the records are of, again where more is known of it.
func (j *Journal) Begin(h Head) error { return j.Restart(h, nil) }

// Append writes rec and returns when it is on the disk. A later record of the same cell replaces it.
func (j *Journal) Append(rec Record) error { return j.write(line{Record: &rec}) }

// Finish says that the run came to its end.
func (j *Journal) Finish() error { return j.write(line{Finished: true}) }

// write appends one line. What it could not write whole is overwritten by the next.
func (j *Journal) write(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	data = append(plainJSON(data), '\n')
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err = j.f.WriteAt(data, j.end); err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write journal: %w", err), j.f.Truncate(j.end))
	}
	j.end += int64(len(data))
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.f.Close() }

// parseJournal reads all lines, and says where the last good one ends. Every line but the last was on the disk before the
// next was begun, so that only the last can be torn; pages of it may have been written in any order, its end before its
// beginning.
func parseJournal(in io.Reader) (log Log, end int64, err error) {
	place := map[journalKey]int{}
	lines := bufio.NewReader(in)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return log, end, nil
		case err != nil:
			return Log{}, 0, err
		}
		l, err := parseLine(text)
		if err == nil && log.Head == nil && l.Head == nil {
			err = errors.New("no head: made by another version, or no journal at all")
		}
		if err != nil {
			if _, more := lines.Peek(1); errors.Is(more, io.EOF) {
				return log, end, nil
			}
			return Log{}, 0, fmt.Errorf("line %d: %w", n, err)
		}
		log.add(l, place)
		end += int64(len(text))
	}
}

// journalKey is a cell of the run: its matrix has one row for a label, whatever was known of the target at the time.
type journalKey struct{ label, suite string }

func (log *Log) add(l line, place map[journalKey]int) {
	log.Finished = l.Finished
	if l.Head != nil {
		log.Head = l.Head
		if len(l.Kept) > 0 {
			log.Records = nil
			clear(place)
		}
	}
	for _, rec := range l.records() {
		key := journalKey{rec.Target.Label(), rec.Suite}
		if i, ok := place[key]; ok {
			log.Records[i] = rec
			continue
		}
		place[key] = len(log.Records)
		log.Records = append(log.Records, rec)
	}
}

func (l line) records() []Record {
	if l.Record == nil {
		return l.Kept
	}
	return []Record{*l.Record}
}

func parseLine(text []byte) (line, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, err
	}
	switch {
	case l.Head != nil && l.Head.Schema != JournalSchema:
		return l, fmt.Errorf("schema is %q, not %q: made by another version", Plain(l.Head.Schema), JournalSchema)
	case l.Head == nil && l.Record == nil && !l.Finished:
		return l, errors.New("neither head nor record")
	}
	for _, rec := range l.records() {
		if err := rec.check(); err != nil {
			return l, err
		}
	}
	return l, nil
}
