package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/kernels"
)

// LockName is what the lock is called, beside modmatrix.toml. It may be absent.
const LockName = "modmatrix.lock"

// LockSchema names its format.
const LockSchema = "modmatrix.lock/v1"

// Lock pins what selectors resolved to: by package, version and SHA-256 where a kernel comes from an archive, by release and
// the digests of its files where it lies on a host. It names no archive, so that it holds anywhere. It is plain data.
type Lock struct {
	Schema    string   `json:"schema"`
	Selectors []Pinned `json:"selectors"` // sorted by selector, each once
}

// Pinned is what one selector resolved to.
type Pinned struct {
	Selector   string                     `json:"selector"`
	Targets    []kernels.Target           `json:"targets"`
	Incomplete []*kernels.IncompleteError `json:"incomplete,omitempty"`
}

// ReadLock reads the lock at path; without a file it is empty, and pins nothing. A damaged one is a *UsageError with the cure.
func ReadLock(path string) (Lock, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return Lock{}, &UsageError{err}
	}
	l, err := parseLock(data)
	if err != nil {
		return Lock{}, &UsageError{fmt.Errorf("%s: %w; modmatrix kernels update writes it anew", path, err)}
	}
	return l, nil
}

func parseLock(data []byte) (Lock, error) {
	var l Lock
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Lock{}, err
	}
	if l.Schema != LockSchema {
		return Lock{}, fmt.Errorf("schema %q is not %s", l.Schema, LockSchema)
	}
	for _, p := range l.Selectors {
		if _, err := kernels.ParseSelector(p.Selector); err != nil {
			return Lock{}, err
		}
		if len(p.Targets)+len(p.Incomplete) == 0 {
			return Lock{}, fmt.Errorf("%s is pinned to nothing", p.Selector)
		}
		for _, t := range p.Targets {
			if t.Release == "" || t.Source == "" || strings.ContainsAny(t.Release, "/\x00\n") {
				return Lock{}, fmt.Errorf("%s is pinned to a kernel without a name", p.Selector)
			}
		}
		if slices.Contains(p.Incomplete, nil) {
			return Lock{}, fmt.Errorf("%s is pinned to a kernel without a name", p.Selector)
		}
	}
	return l, nil
}

// Write replaces the lock at path in one step. The same lock is the same file, byte for byte.
func (l Lock) Write(path string) error {
	data, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// lock is the one that s names, empty where there is none.
func (s Spec) lock() (Lock, error) {
	if s.Lock == "" {
		return Lock{}, nil
	}
	return ReadLock(s.Lock)
}

// resolution is what selector is pinned to, if it is.
func (l Lock) resolution(selector string) (kernels.Resolution, bool) {
	for _, p := range l.Selectors {
		if p.Selector == selector {
			return kernels.Resolution{Targets: p.Targets, Incomplete: p.Incomplete}, true
		}
	}
	return kernels.Resolution{}, false
}

// pin adds what selector resolved to.
func (l *Lock) pin(selector string, res kernels.Resolution) {
	l.Selectors = append(l.Selectors, Pinned{selector, res.Targets, res.Incomplete})
	slices.SortStableFunc(l.Selectors, func(a, b Pinned) int { return cmp.Compare(a.Selector, b.Selector) })
	l.Selectors = slices.CompactFunc(l.Selectors, func(a, b Pinned) bool { return a.Selector == b.Selector })
}

// remembers is a source that knows without asking anybody whether its archive has dropped a kernel since.
type remembers interface {
	Gone(ctx context.Context, t kernels.Target) string
}

// gone tells which of the pinned kernels their archives no longer have.
func gone(ctx context.Context, sources map[string]Source, targets []kernels.Target) (notices []string) {
	for _, t := range targets {
		name, _, _ := strings.Cut(t.Source, ":")
		if source, ok := sources[name].(remembers); ok {
			if notice := source.Gone(ctx, t); notice != "" {
				notices = append(notices, notice)
			}
		}
	}
	return notices
}

// Changes tells, one line for each selector, what is other in l than it was in old.
func (l Lock) Changes(old Lock) []string {
	var lines []string
	for _, p := range l.Selectors {
		was, pinned := old.resolution(p.Selector)
		now := releases(kernels.Resolution{Targets: p.Targets, Incomplete: p.Incomplete})
		switch before := releases(was); {
		case !pinned:
			lines = append(lines, fmt.Sprintf("%s: %s", p.Selector, now))
		case before != now:
			lines = append(lines, fmt.Sprintf("%s: %s, was %s", p.Selector, now, before))
		case !samePackages(was.Targets, p.Targets):
			lines = append(lines, fmt.Sprintf("%s: %s, built anew", p.Selector, now))
		}
	}
	for _, p := range old.Selectors {
		if _, kept := l.resolution(p.Selector); !kept {
			lines = append(lines, p.Selector+": no longer asked for")
		}
	}
	return lines
}

func releases(res kernels.Resolution) string {
	var names []string
	for _, t := range res.Targets {
		names = append(names, Label(t))
	}
	for _, e := range res.Incomplete {
		names = append(names, "("+e.Release+")")
	}
	return strings.Join(names, " ")
}

func samePackages(a, b []kernels.Target) bool {
	return slices.EqualFunc(a, b, func(a, b kernels.Target) bool { return slices.Equal(a.Packages, b.Packages) })
}

// Lock resolves every selector of the configuration anew, whatever was pinned before, and pins what came of it. What cannot be
// resolved is an error: half a lock would hide it.
func (h *Harness) Lock(ctx context.Context, spec Spec, c Config) (Lock, []string, error) {
	lock, notices := Lock{Schema: LockSchema}, []string{}
	sources := h.sources(spec)
	for _, text := range c.everySelector() {
		p := &Plan{}
		if err := resolveOne(ctx, p, sources, text); err != nil {
			return lock, nil, err
		}
		res := kernels.Resolution{Targets: p.Targets}
		for _, u := range p.Unresolved {
			if u.Release == "" {
				return lock, nil, errors.New(u.Reason)
			}
			res.Incomplete = append(res.Incomplete, &kernels.IncompleteError{Release: u.Release, Version: u.Version, Err: errors.New(u.Reason)})
		}
		lock.pin(text, res)
		notices = append(notices, p.Notices...)
	}
	return lock, notices, nil
}
