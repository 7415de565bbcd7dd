package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// durations remembers how long builds and guests took, over all runs with one store. It decides nothing but the order
// of work and the time that is said to be left; a damaged file is as good as none.
type durations struct {
	path string
	mu   sync.Mutex
	took map[string]time.Duration
}

// unknown stands for work that was never done before. It may be long, so it is not left to the end.
const unknown = 30 * time.Second

// maxDurations bounds the file: more names than that are dropped, whichever they are.
const maxDurations = 20_000

func openDurations(dir string) *durations {
	d := &durations{path: filepath.Join(dir, "durations.json"), took: map[string]time.Duration{}}
	if data, err := os.ReadFile(d.path); err == nil && json.Unmarshal(data, &d.took) != nil {
		d.took = map[string]time.Duration{}
	}
	return d
}

// durationKey names the work of a cell, whose focus makes it other work, or of a build where the cell has no suite.
func durationKey(p *Plan, c results.Cell) string {
	key := p.Module.Name + " " + c.Target + " " + c.Suite
	if c.Suite != "" && p.Spec.Focus != "" {
		key += " " + strconv.Quote(p.Spec.Focus)
	}
	return key
}

func (d *durations) of(key string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.took[key]; ok {
		return t
	}
	return unknown
}

// rest is how long a target still takes from its build on.
func (d *durations) rest(p *Plan, label string) time.Duration {
	all := d.of(durationKey(p, results.Cell{Target: label}))
	for _, s := range p.Suites {
		all += d.of(durationKey(p, results.Cell{Target: label, Suite: s.Name}))
	}
	return all
}

func (d *durations) note(key string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took[key] = took
}

// save writes what is known. Of two runs that end at once one wins, which is no loss.
func (d *durations) save() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.took {
		if len(d.took) <= maxDurations {
			break
		}
		delete(d.took, key)
	}
	if data, err := json.Marshal(d.took); err == nil {
		_ = writeFile(d.path, data)
	}
}
