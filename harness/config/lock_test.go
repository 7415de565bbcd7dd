package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// sel parses texts that are known to be right.
func sel(texts ...string) (all []kernels.Selector) {
	for _, text := range texts {
		s, err := kernels.ParseSelector(text)
		if err != nil {
			panic(err)
		}
		all = append(all, s)
	}
	return all
}

// resolved is what each selector named on a day on which the newest kernel was release.
func resolved(selectors []kernels.Selector, release string) (all []kernels.Resolution) {
	for _, sel := range selectors {
		res := kernels.Resolution{Targets: []kernels.Target{{Release: release, Version: release, Source: sel.String(),
			Packages: []kernels.Package{{Name: "linux-image-" + release, SHA256: "0" + release}}}}}
		if sel.Name == "all" {
			res.Incomplete = []*kernels.IncompleteError{{Release: "6.16.1", Version: "6.16.1", Err: errors.New("no headers")}}
		}
		all = append(all, res)
	}
	return all
}

func TestALockPinsWhatSelectorsResolvedTo(t *testing.T) {
	c := Config{Kernels: sel("debian:sid"), Required: sel("debian:all"), Sets: map[string][]kernels.Selector{"x": sel("debian:sid", "debian:trixie")}, Suites: []string{harness.Lifecycle},
		Lock: filepath.Join(t.TempDir(), harness.LockName)}
	selectors := c.Selectors()
	first := Pin(selectors, resolved(selectors, "6.12.1"))
	if len(first.Selectors) != 3 {
		t.Fatalf("%+v", first)
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
	spec, err := c.Spec(Flags{})
	for text, want := range map[string]string{"debian:sid": "6.12.1", "debian:all": "6.12.1 (6.16.1)", "debian:forky": ""} {
		if got := releases(spec.Pins[text]); err != nil || got != want {
			t.Errorf("%s: %s, want %s, %v", text, got, want, err)
		}
	}
	c.Sets = nil
	selectors = c.Selectors()
	second := Pin(selectors, resolved(selectors, "6.12.2"))
	want := []string{"debian:all: 6.12.2 (6.16.1), was 6.12.1 (6.16.1)", "debian:sid: 6.12.2, was 6.12.1", "debian:trixie: no longer asked for"}
	if got := second.Changes(first); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	if got := second.Changes(Lock{}); len(got) != 2 || got[1] != "debian:sid: 6.12.2" {
		t.Errorf("%q", got)
	}
	second.Selectors[1].Targets[0].Packages = []kernels.Package{{Name: "x"}}
	third := Pin(selectors, resolved(selectors, "6.12.2"))
	if got := third.Changes(second); len(got) != 1 || got[0] != "debian:sid: 6.12.2, built anew" {
		t.Errorf("%q", got)
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
		if _, ok := errors.AsType[*harness.UsageError](err); !ok || !strings.Contains(err.Error(), "kernels update") || strings.Contains(err.Error(), "\n") {
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
