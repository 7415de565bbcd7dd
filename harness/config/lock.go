package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// maxLock bounds the file, in bytes; one of all kernels of the archive has some 200 KiB.
const maxLock = 16 << 20

// LockSchema names the format of a Lock.
const LockSchema = "modmatrix.lock/v1"

// Lock is modmatrix.lock, which lies beside modmatrix.toml. It pins what selectors resolved to: by package, version and SHA-256
// where a kernel comes from an archive, by release and the digests of its files where it lies on a host. It names no archive,
// so that it holds anywhere. It is plain data.
type Lock struct {
	Schema    string   `json:"schema"`
	Selectors []Pinned `json:"selectors"` // sorted by selector, each once
}

// Pinned is what one selector resolved to.
type Pinned struct {
	Selector   kernels.Selector           `json:"selector"`
	Targets    []kernels.Target           `json:"targets"`
	Incomplete []*kernels.IncompleteError `json:"incomplete,omitempty"`
}

// Pin makes the lock of what selectors resolved to, each once and in the order of the file.
func Pin(selectors []kernels.Selector, resolved []kernels.Resolution) Lock {
	l := Lock{Schema: LockSchema}
	for i, sel := range selectors {
		l.Selectors = append(l.Selectors, Pinned{sel, resolved[i].Targets, resolved[i].Incomplete})
	}
	return l
}

// ReadLock reads the lock at path; without a file it pins nothing. A damaged one is a *harness.UsageError with the cure.
func ReadLock(path string) (Lock, error) {
	if path == "" {
		return Lock{}, nil
	}
	data, err := kernels.ReadFileIn(filepath.Dir(path), filepath.Base(path), maxLock)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return Lock{}, &harness.UsageError{Err: err}
	}
	l, err := parseLock(data)
	if err != nil {
		return Lock{}, &harness.UsageError{Err: fmt.Errorf("%s: %w; modmatrix kernels update writes it anew", path, err)}
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
		if len(p.Targets)+len(p.Incomplete) == 0 {
			return Lock{}, fmt.Errorf("%s is pinned to nothing", p.Selector)
		}
		if err := p.check(); err != nil {
			return Lock{}, fmt.Errorf("%s is pinned to what it cannot name: %w", p.Selector, err)
		}
	}
	return l, nil
}

// check refuses what no source resolves the selector to: a pin may be a stranger's, and is used as if its source had said it.
func (p Pinned) check() error {
	for _, t := range p.Targets {
		if err := t.Check(); err != nil {
			return err
		}
		if !p.Selector.Names(t) && !p.Selector.Local() { // a path may be another on another machine: see resolutions
			return fmt.Errorf("source %q", t.Source)
		}
		if source, _ := t.Origin(); source != p.Selector.Source {
			return fmt.Errorf("source %q", t.Source)
		}
		if a := p.Selector.Architecture(); p.Selector.NamesArch() && t.Arch != a.Name {
			return fmt.Errorf("architecture %q", t.Arch)
		}
	}
	for _, e := range p.Incomplete {
		if e == nil {
			return errors.New("a kernel without a name")
		}
		if err := (kernels.Target{Release: e.Release, Version: e.Version, Source: p.Selector.Source + ":x"}).Check(); err != nil {
			return err
		}
	}
	return nil
}

// Write replaces the lock at path in one step. The same lock is the same file, byte for byte.
func (l Lock) Write(path string) error {
	data, err := l.Encode()
	if err == nil {
		err = renameio.WriteFile(path, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// Encode is the file's text.
func (l Lock) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", "\t")
	return append(data, '\n'), err
}

// resolutions is what the lock pins, by selector; nil where it pins nothing. What was pinned to another path, release or architecture than
// the selector means here is not pinned.
func (l Lock) resolutions() map[string]kernels.Resolution {
	if len(l.Selectors) == 0 {
		return nil
	}
	all := map[string]kernels.Resolution{}
	for _, p := range l.Selectors {
		if !slices.ContainsFunc(p.Targets, func(t kernels.Target) bool { return !meant(p.Selector, t) }) {
			all[p.Selector.String()] = p.resolution()
		}
	}
	return all
}

// meant reports whether sel can mean t on this machine, on which a selector that names no architecture means that of the machine.
func meant(sel kernels.Selector, t kernels.Target) bool {
	return sel.Names(t) && (!sel.TakesArch() || t.Arch == sel.Architecture().Name)
}

func (p Pinned) resolution() kernels.Resolution {
	return kernels.Resolution{Targets: p.Targets, Incomplete: p.Incomplete}
}

// Changes says, one line for each selector, what is not the same in l as it was in old.
func (l Lock) Changes(old Lock) []string {
	var lines []string
	earlier, kept := old.resolutions(), l.resolutions()
	for _, p := range l.Selectors {
		was, pinned := earlier[p.Selector.String()]
		now := releases(p.resolution())
		switch before := releases(was); {
		case !pinned:
			lines = append(lines, fmt.Sprintf("%s: %s", p.Selector, now))
		case before != now:
			lines = append(lines, fmt.Sprintf("%s: %s, was %s", p.Selector, now, before))
		case !slices.EqualFunc(was.Targets, p.Targets, func(a, b kernels.Target) bool { return slices.Equal(a.Packages, b.Packages) }):
			lines = append(lines, fmt.Sprintf("%s: %s, built anew", p.Selector, now))
		}
	}
	for _, p := range old.Selectors {
		if _, ok := kept[p.Selector.String()]; !ok {
			lines = append(lines, fmt.Sprintf("%s: no longer asked for", p.Selector))
		}
	}
	return lines
}

func releases(res kernels.Resolution) string {
	var names []string
	for _, t := range res.Targets {
		names = append(names, harness.Label(t))
	}
	for _, e := range res.Incomplete {
		names = append(names, "("+e.Release+")")
	}
	return strings.Join(names, " ")
}

// Pins returns the selector that pins an entry of the store: the tree of one of its kernels, or the root that this is built
// in; "" where none does. Of a kernel that is compiled here, every tree counts: which one is pinned is known only in its root.
func (l Lock) Pins(e store.Entry) (selector string) {
	for _, p := range l.Selectors {
		for _, t := range p.Targets {
			if pins(t, e) {
				return p.Selector.String()
			}
		}
	}
	return ""
}

func pins(t kernels.Target, e store.Entry) bool {
	switch source, _ := t.Origin(); {
	case t.Suite == "": // it is no entry: the kernel lies on a host
		return false
	case e.Kind == "roots":
		return e.ID == debian.RootID(t)
	case e.Kind == "trees" && source == "debian":
		return e.ID == debian.TreeID(t)
	}
	return e.Kind == "trees" && strings.HasPrefix(e.ID, t.Release+"-")
}
