package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

// moving is a source whose newest kernel moves.
type moving struct{ release string }

func (m *moving) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	if sel.Name == "gone" {
		return kernels.Resolution{}, kernels.ErrUnavailable
	}
	res := kernels.Resolution{Notices: []string{"a notice"}, Targets: []kernels.Target{{Release: m.release, Version: m.release, Source: "debian:" + sel.Name,
		Packages: []kernels.Package{{Name: "linux-image-" + m.release, SHA256: "0" + m.release}}}}}
	if sel.Name == "all" {
		res.Incomplete = []*kernels.IncompleteError{{Release: "6.16.1", Version: "6.16.1", Err: errors.New("no headers")}}
	}
	return res, nil
}

func (m *moving) Fetch(context.Context, kernels.Target, func(kernels.Progress)) (*kernels.Tree, error) {
	return nil, kernels.ErrUnavailable
}

func TestALockPinsWhatSelectorsResolvedTo(t *testing.T) {
	debian := &moving{"6.12.1"}
	h := &Harness{sources: func(Spec) map[string]Source { return map[string]Source{"debian": debian} }}
	c := Config{Kernels: []string{"debian:sid"}, Required: []string{"debian:all"}, Sets: map[string][]string{"x": {"debian:sid", "debian:trixie"}},
		Lock: filepath.Join(t.TempDir(), LockName)}
	first, notices, err := h.Lock(t.Context(), Spec{}, c)
	if err != nil || len(first.Selectors) != 3 || len(notices) != 3 {
		t.Fatalf("%+v %q %v", first, notices, err)
	}
	if err := first.Write(c.Lock); err != nil {
		t.Fatal(err)
	}
	one, _ := os.ReadFile(c.Lock)
	read, err := ReadLock(c.Lock)
	if err != nil || len(read.Changes(first)) != 0 || len(first.Changes(read)) != 0 {
		t.Errorf("%+v %v", read, err)
	}
	if err := read.Write(c.Lock); err != nil {
		t.Fatal(err)
	}
	if two, _ := os.ReadFile(c.Lock); !bytes.Equal(one, two) {
		t.Errorf("the same lock is another file:\n%s\n%s", one, two)
	}
	debian.release = "6.12.2"
	for text, want := range map[string]string{"debian:sid": "6.12.1", "debian:all": "6.12.1 (6.16.1)", "debian:forky": "6.12.2"} {
		p := &Plan{Spec: Spec{Kernels: []string{text}, Lock: c.Lock}}
		if err := h.resolve(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		got := kernels.Resolution{Targets: p.Targets}
		for _, u := range p.Unresolved {
			got.Incomplete = append(got.Incomplete, &kernels.IncompleteError{Release: u.Release})
		}
		if releases(got) != want {
			t.Errorf("%s: %s, want %s", text, releases(got), want)
		}
	}
	_, ok := errors.AsType[*UsageError](h.resolve(t.Context(), &Plan{Spec: Spec{Kernels: []string{"debian:forky"}, Lock: c.Lock, Locked: true}}))
	if !ok {
		t.Error("what is not pinned was resolved with --locked")
	}
	c.Sets = nil
	second, _, err := h.Lock(t.Context(), Spec{Lock: c.Lock}, c)
	want := []string{"debian:all: 6.12.2 (6.16.1), was 6.12.1 (6.16.1)", "debian:sid: 6.12.2, was 6.12.1", "debian:trixie: no longer asked for"}
	if got := second.Changes(first); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q %v", got, err)
	}
	if got := second.Changes(Lock{}); len(got) != 2 || got[1] != "debian:sid: 6.12.2" {
		t.Errorf("%q", got)
	}
	second.Selectors[1].Targets[0].Packages = []kernels.Package{{Name: "x"}}
	third, _, _ := h.Lock(t.Context(), Spec{}, c)
	if got := third.Changes(second); len(got) != 1 || got[0] != "debian:sid: 6.12.2, built anew" {
		t.Errorf("%q", got)
	}
	c.Kernels = []string{"debian:gone"}
	if _, _, err := h.Lock(t.Context(), Spec{}, c); err == nil {
		t.Error("half a lock")
	}
}

func TestDamagedLocks(t *testing.T) {
	dir := t.TempDir()
	if l, err := ReadLock(filepath.Join(dir, "absent")); err != nil || len(l.Selectors) != 0 {
		t.Error(l, err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut": `{"schema":`, "other": `{"schema":"x"}`, "unknown": `{"schema":"modmatrix.lock/v1","mirror":"x"}`,
		"nothing": `{"schema":"modmatrix.lock/v1","selectors":[{"selector":"host","targets":[]}]}`,
		"null":    `{"schema":"modmatrix.lock/v1","selectors":[{"selector":"host","incomplete":[null]}]}`,
		"nobody":  `{"schema":"modmatrix.lock/v1","selectors":[{"selector":"host","targets":[{}]}]}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := ReadLock(path)
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "kernels update") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"schema":"modmatrix.lock/v1","selectors":[{"selector":"host","targets":[{"release":"6.1","source":"host:6.1"}],"incomplete":[{"release":"6.2","reason":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLock(data)
		if err == nil && len(l.Changes(l)) > len(l.Selectors) {
			t.Errorf("%q", l.Changes(l))
		}
	})
}

// dropping is a source whose archive has dropped what it had.
type dropping struct{ moving }

func (d *dropping) Gone(_ context.Context, t kernels.Target) string { return t.Release + " is gone" }

func TestALockTellsOfWhatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), LockName)
	lock := Lock{Schema: LockSchema}
	lock.pin("debian:sid", kernels.Resolution{Targets: []kernels.Target{{Release: "6.12.1", Version: "6.12.1", Source: "debian:sid"}}})
	if err := lock.Write(path); err != nil {
		t.Fatal(err)
	}
	for want, source := range map[string]Source{"": &moving{"6.12.2"}, "6.12.1 is gone": &dropping{moving{"6.12.2"}}} {
		h := &Harness{sources: func(Spec) map[string]Source { return map[string]Source{"debian": source} }}
		p := &Plan{Spec: Spec{Kernels: []string{"debian:sid"}, Lock: path}}
		if err := h.resolve(t.Context(), p); err != nil || p.Targets[0].Release != "6.12.1" || strings.Join(p.Notices, "") != want {
			t.Errorf("%+v %q %v, want %q", p.Targets, p.Notices, err, want)
		}
	}
}
