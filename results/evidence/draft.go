package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// Draft is an evidence file before it is written, for its tester to see what would leave the machine.
type Draft struct {
	Results  *results.Results      // as they will be in it
	Files    []File                // sorted by name, without those of a signature
	Scrubbed []results.ScrubCount  // what was taken out
	Cut      []results.EvidenceCut // logs that are not in it as a whole
}

// Shown is what shown.json says: that the tester saw the list of files before the evidence was written, and how.
type Shown struct {
	How      string                `json:"how"`                // "text" or "json": as a list for people or for programs
	Scrubbed []results.ScrubCount  `json:"scrubbed,omitempty"` // what was taken out of all files together
	Cut      []results.EvidenceCut `json:"cut,omitempty"`
}

// Bounds of the logs in an evidence file, in bytes.
const (
	maxLog  = 256 << 10
	maxLogs = 64 << 20 // of all of them
)

// Prepare makes a draft of the results of a run, whose artifacts lie in dir. It holds the logs of cells that neither passed nor were
// skipped, and nothing that says whose machine me is.
func Prepare(res *results.Results, dir fs.FS, me results.Identity) (*Draft, error) {
	if len(res.Run.Merged) > 0 {
		return nil, errors.New("results of several runs are no evidence of one tester: each signs the run of his own")
	}
	d := &drafting{scrub: results.NewScrubber(me, res.Module.Version), dir: dir, logs: map[string]log{}}
	whole := *res
	whole.Since = nil // compares with runs that are not in it
	whole.Records = slices.Clone(res.Records)
	for i := range whole.Records {
		if err := d.record(&whole.Records[i]); err != nil {
			return nil, err
		}
	}
	scrubbed, err := d.scrub.Results(&whole)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := scrubbed.JSON(&text); err != nil {
		return nil, err
	}
	if text.Len() > maxResults {
		return nil, fmt.Errorf("the results take more than the %d MiB of an evidence file: run fewer kernels at once", maxResults>>20)
	}
	files := append(d.files, File{Name: ResultsName, Data: text.Bytes()})
	return &Draft{Results: scrubbed, Files: files, Scrubbed: d.scrub.Counts(), Cut: d.cuts}, nil
}

// Write writes the evidence to path and returns its digest, "sha256:…". how is how the list of its files was shown to the tester. With a
// signer it is signed; by is who agrees to be named in what is signed, and is nobody without one.
func (d *Draft) Write(ctx context.Context, path, how string, signer *Signer, by Tester) (digest string, err error) {
	text, err := json.MarshalIndent(Shown{how, d.Scrubbed, d.Cut}, "", " ")
	if err != nil {
		return "", err
	}
	files := append(slices.Clone(d.Files), File{Name: ShownName, Data: append(text, '\n')})
	switch {
	case signer != nil:
		signature, err := d.sign(ctx, files, signer, by)
		if err != nil {
			return "", err
		}
		files = append(files, signature...)
	case by != Tester{}:
		return "", errors.New("nobody agrees to be named without a signature")
	}
	_, sum, err := WriteFile(path, Manifest{Schema: EvidenceSchema, Tool: shown(d.Results.Run.Tool)}, files)
	return "sha256:" + sum, err
}

func (d *Draft) sign(ctx context.Context, files []File, signer *Signer, by Tester) ([]File, error) {
	m, err := Write(io.Discard, Manifest{Schema: EvidenceSchema}, files) // for its list of them
	if err != nil {
		return nil, err
	}
	s, err := newStatement(d.Results, m.Files, by)
	if err != nil {
		return nil, err
	}
	return sign(ctx, s, signer)
}

// drafting is the work on a draft.
type drafting struct {
	scrub *results.Scrubber
	dir   fs.FS
	logs  map[string]log // by the names of artifacts
	files []File
	cuts  []results.EvidenceCut
	bytes int
}

// log is an artifact that was taken; its zero value was not.
type log struct {
	name string
	head int // lines before those that were left out
	gone int // lines that were left out
}

// record takes the logs of rec where it needs a look, and lets it name no others.
func (d *drafting) record(rec *results.Record) error {
	var err error
	wanted := rec.Status != results.Pass && rec.Status != results.Skip
	console := rec.Artifacts.Console
	rec.MoveFiles(func(path string) string {
		if !wanted || err != nil {
			return ""
		}
		var l log
		l, err = d.log(path)
		return l.name
	})
	at := d.logs[console]
	rec.Splats = slices.Clone(rec.Splats)
	for i := range rec.Splats {
		rec.Splats[i].Line = at.line(rec.Splats[i].Line)
	}
	return err
}

// line is where a line of the whole log is in l; zero: nowhere.
func (l log) line(n int) int {
	switch {
	case l.name == "" || n > l.head && n <= l.head+l.gone:
		return 0
	case n > l.head && l.gone > 0:
		return n - l.gone + 1
	}
	return n
}

// log takes a log, once.
func (d *drafting) log(path string) (log, error) {
	if l, ok := d.logs[path]; ok {
		return l, nil
	}
	text, head, gone, err := d.read(path)
	name := d.scrub.Text(path)
	switch {
	case err != nil:
		return log{}, fmt.Errorf("read %s: %w", path, err)
	case d.bytes+len(text) > maxLogs:
		d.cuts = append(d.cuts, results.EvidenceCut{Name: name})
		d.logs[path] = log{}
		return log{}, nil
	case gone > 0:
		d.cuts = append(d.cuts, results.EvidenceCut{Name: name, Lines: gone})
	}
	d.bytes += len(text)
	d.files = append(d.files, File{Name: name, Data: []byte(d.scrub.Text(string(text)))})
	l := log{name, head, gone}
	d.logs[path] = l
	return l, nil
}
