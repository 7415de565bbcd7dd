package results

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// History is a folder of what earlier runs found, a small file for each: a document without what only its own readers need.
type History struct{ folder *Folder }

// historyKept is how many runs of a module are kept; the oldest goes first.
const historyKept = 100

// pastShown is how many of them a record names.
const pastShown = 20

// OpenHistory opens the folder at dir, which it makes.
func OpenHistory(dir string) (*History, error) {
	folder, err := OpenFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	return &History{folder}, nil
}

// Close releases the folder.
func (h *History) Close() error { return h.folder.Close() }

// Past is a run of the history.
type Past struct {
	Module string // as its folder is called
	Name   string // of its file: when it began, and its id
}

// Add keeps r, and drops runs of its module that are too many.
func (h *History) Add(r *Results) error {
	small := *r
	small.Records = nil
	for _, rec := range r.Records {
		small.Records = append(small.Records, rec.brief())
	}
	name := r.Run.Started.UTC().Format("20060102T150405.000Z") + "-" + plainName(r.Run.ID) + ".json"
	if err := h.folder.Write(path.Join(plainName(r.Module.Name), name), small.JSON); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	_, err := h.Prune(r.Module.Name, historyKept)
	return err
}

// brief is what Diff reads of a record.
func (rec Record) brief() Record {
	small := Record{Target: rec.Target, Suite: rec.Suite, Status: rec.Status, Stage: rec.Stage, Code: rec.Code, Reason: rec.Reason, Flaky: rec.Flaky, Attempts: rec.Attempts}
	for _, s := range rec.Splats {
		small.Splats = append(small.Splats, Splat{Title: s.Title, Kind: s.Kind, Fingerprint: s.Fingerprint, Owner: s.Owner})
	}
	for _, s := range rec.Specs {
		if s.Status == Fail || len(s.Findings) > 0 {
			small.Specs = append(small.Specs, Spec{Name: s.Name, Status: s.Status, Known: s.marks()})
		}
	}
	return small
}

// Runs lists the runs of a module, the oldest first; of every module where it is empty.
func (h *History) Runs(module string) (all []Past, err error) {
	pattern := "*/*.json"
	if module != "" {
		pattern = plainName(module) + "/*.json"
	}
	names, err := fs.Glob(h.folder.FS(), pattern)
	if err != nil {
		return nil, fmt.Errorf("list history: %w", err)
	}
	for _, n := range names { // sorted by module, then by time
		all = append(all, Past{path.Dir(n), strings.TrimSuffix(path.Base(n), ".json")})
	}
	return all, nil
}

// Read reads one of them.
func (h *History) Read(p Past) (*Results, error) {
	file, err := h.folder.FS().Open(path.Join(p.Module, p.Name+".json"))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	defer file.Close()
	r, err := Decode(file)
	if err != nil {
		return nil, fmt.Errorf("read history: %s: %w", p.Name, err)
	}
	return r, nil
}

// Prune keeps the newest runs of a module, that many, and says how many it removed; of every module where it is empty.
func (h *History) Prune(module string, keep int) (removed int, err error) {
	runs, err := h.Runs(module)
	if err != nil {
		return 0, err
	}
	slices.Reverse(runs)
	kept := map[string]int{}
	for _, p := range runs {
		if kept[p.Module]++; kept[p.Module] > keep {
			err = errors.Join(err, h.folder.Remove(path.Join(p.Module, p.Name+".json")))
			removed++
		}
	}
	return removed, err
}

// Recall adds to r what is known of earlier runs of its module: what each cell was in the last ones, and what changed since. Runs
// may have been of other kernels each: a cell is held against the last run that had it. A run that cannot be read is left out,
// and returned as an error.
func (h *History) Recall(r *Results) error {
	runs, err := h.Runs(r.Module.Name)
	if err != nil {
		return err
	}
	past, last := map[recordKey][]Status{}, map[recordKey]Record{}
	var newest Run
	for _, p := range runs[max(0, len(runs)-pastShown):] {
		before, readErr := h.Read(p)
		if err = errors.Join(err, readErr); readErr != nil || before.Run.ID == r.Run.ID {
			continue
		}
		newest = before.Run
		for _, rec := range before.Records {
			past[rec.place()], last[rec.place()] = append(past[rec.place()], rec.Status), rec
		}
	}
	if newest.ID == "" {
		return err
	}
	old := &Results{Run: newest}
	for i, rec := range r.Records {
		if before, ok := last[rec.place()]; ok {
			r.Records[i].Past = past[rec.place()]
			r.Records[i].markNew(before)
			old.Records = append(old.Records, before)
			delete(last, rec.place())
		}
	}
	r.Since = Compare(old, r)
	r.Since.Changes = slices.DeleteFunc(r.Since.Changes, func(c SinceChange) bool { return c.Kind == New || c.Kind == Gone })
	return err
}

// Since is what changed against an earlier run.
type Since struct {
	Run     string        `json:"run"` // its id
	Started string        `json:"started"`
	Changes []SinceChange `json:"changes"`
}

// SinceChange is one cell that changed; what it is now, its record says.
type SinceChange struct {
	Kind   ChangeKind `json:"kind"`
	Target string     `json:"target"` // its label
	Suite  string     `json:"suite"`
	Was    Status     `json:"was,omitempty"` // empty: there was no such cell
	On     string     `json:"on,omitempty"`  // the label of the kernel in whose place this one came
}

// Compare is Diff in the form that a document has.
func Compare(old, new *Results) *Since {
	s := &Since{Run: old.Run.ID, Started: old.Run.Started.UTC().Format("2006-01-02 15:04 UTC"), Changes: []SinceChange{}}
	for _, c := range Diff(old, new) {
		change := SinceChange{Kind: c.Kind, Target: c.Cell().Target.Label(), Suite: c.Cell().Suite}
		if c.Old != nil {
			change.Was = c.Old.Status
			if was := c.Old.Target.Label(); was != change.Target {
				change.On = was
			}
		}
		s.Changes = append(s.Changes, change)
	}
	return s
}

// ExitCode is what a comparison ends with: 1 where something regressed, 3 where something is not tested any more.
func (s *Since) ExitCode() int {
	worst := ExitPass
	for _, c := range s.Changes {
		switch c.Kind {
		case Regressed:
			return ExitFail
		case Lost, Gone:
			worst = ExitTrouble
		}
	}
	return worst
}
