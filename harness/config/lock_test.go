package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
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
		source := sel.String()
		if sel.Name == "all" {
			source = "debian:trixie"
		}
		res := kernels.Resolution{Targets: []kernels.Target{{Release: release, Version: release, Arch: arch.Host().Name, Source: source,
			Packages: []kernels.Package{{Name: "linux-image-" + release, Version: "1", Arch: "amd64", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(release)))}}}}}
		if sel.Name == "all" {
			res.Incomplete = []*kernels.IncompleteError{{Release: "6.16.1", Version: "6.16.1", Reason: "no headers"}}
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

// pinned is a lock of one selector with one target as a source writes it, but for what change does to it.
func pinned(selector string, change func(*kernels.Target)) []byte {
	t := kernels.Target{Release: "6.1.0-56-amd64", Version: "6.1.192", Arch: "x86_64", Flavour: "amd64", Source: "debian:bookworm", Suite: "bookworm",
		Packages: []kernels.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-2", Arch: "amd64", SHA256: strings.Repeat("0a", 32)}},
		RootPkgs: []string{"gcc-12", "libssl-dev=3.0.1-1~deb12u1"}}
	change(&t)
	text, err := json.Marshal(map[string]any{"schema": LockSchema, "selectors": []any{map[string]any{"selector": selector, "targets": []any{t}}}})
	if err != nil {
		panic(err)
	}
	return text
}

func TestAStrangersLockPinsNothingElse(t *testing.T) {
	if _, err := parseLock(pinned("debian:bookworm", func(*kernels.Target) {})); err != nil {
		t.Fatalf("what a source writes is refused: %v", err) // the control
	}
	for name, change := range map[string]func(*kernels.Target){
		"a source that leads out":        func(t *kernels.Target) { t.Source = "debian:../../../x" },
		"another suite":                  func(t *kernels.Target) { t.Source = "debian:sid" },
		"another source":                 func(t *kernels.Target) { t.Source = "dir:/home" },
		"no source":                      func(t *kernels.Target) { t.Source = "" },
		"a suite that is an option":      func(t *kernels.Target) { t.Suite = "--setup-hook=x" },
		"a suite that leads out":         func(t *kernels.Target) { t.Suite = "../x" },
		"a release that leads out":       func(t *kernels.Target) { t.Release = "../6.1" },
		"a release that is none":         func(t *kernels.Target) { t.Release = "-x" },
		"a version that is none":         func(t *kernels.Target) { t.Version = "6.1\n" },
		"a flavour that leads out":       func(t *kernels.Target) { t.Flavour = "a/b" },
		"a profile that leads out":       func(t *kernels.Target) { t.Profile = "../kasan" },
		"a package that is an option":    func(t *kernels.Target) { t.Packages[0].Name = "-oDir::Etc::main=/x" },
		"a package that is a file":       func(t *kernels.Target) { t.Packages[0].Name = "./x.deb" },
		"a version that is an option":    func(t *kernels.Target) { t.Packages[0].Version = "-o x" },
		"a digest that leads out":        func(t *kernels.Target) { t.Packages[0].SHA256 = "../../x" },
		"a short digest":                 func(t *kernels.Target) { t.Packages[0].SHA256 = "0a" },
		"a negative size":                func(t *kernels.Target) { t.Packages[0].Size = -1 },
		"a root package with a comma":    func(t *kernels.Target) { t.RootPkgs[0] = "gcc,?all" },
		"a root package with a pattern":  func(t *kernels.Target) { t.RootPkgs[0] = "?essential" },
		"a root package that is removed": func(t *kernels.Target) { t.RootPkgs[1] = "libc6=1 x" },
		"more memory than there is":      func(t *kernels.Target) { t.MoreMiB = 1 << 20 },
		"slower than ever":               func(t *kernels.Target) { t.Slower = 1 << 20 },
	} {
		if _, err := parseLock(pinned("debian:bookworm", change)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What is pinned of this machine counts for the same path alone.
func TestALockPinsNoOtherPath(t *testing.T) {
	for source, want := range map[string]int{"dir:/a/tree": 1, "dir:/etc": 0} {
		l, err := parseLock(pinned("dir:/a/tree", func(t *kernels.Target) { t.Source = source }))
		if got := len(l.resolutions()); err != nil || got != want {
			t.Errorf("%s: %d pins, want %d; %v", source, got, want, err)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"schema":"modmatrix.lock/v1","selectors":[{"selector":"host","targets":[{"release":"6.1","source":"host:6.1"}],"incomplete":[{"release":"6.2","reason":"x"}]}]}`))
	f.Add(pinned("debian:bookworm", func(*kernels.Target) {}))
	f.Add(pinned("git:/src@v6.1+kasan", func(t *kernels.Target) { t.Source = "git:/src@v6.1" }))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLock(data)
		for _, p := range l.Selectors {
			for _, target := range p.Targets {
				if err == nil && strings.ContainsAny(target.Release+target.Suite+strings.Join(target.RootPkgs, "")+target.Profile, "/\x00\n ,?*") {
					t.Errorf("%+v", target)
				}
			}
		}
		if err == nil && len(l.Changes(l)) > len(l.Selectors) {
			t.Errorf("%q", l.Changes(l))
		}
	})
}
