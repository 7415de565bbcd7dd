package evidence

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

const tested = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// sample are results of two kernels, of which one fails.
func sample(t *testing.T) *results.Results {
	t.Helper()
	kernel := func(release string, s results.Status) results.Record {
		return results.Record{Target: results.Target{Release: release, Version: release, Arch: "x86_64", Source: "debian:trixie", ConfigDigest: tested}, Suite: "lifecycle", Status: s,
			Artifacts: results.Artifacts{Console: "cells/" + release + "/console.log", BuildLog: "cells/" + release + "/build.log"}}
	}
	r := &results.Results{Run: results.Run{ID: "R", Tool: "modmatrix 0.1.0", Started: time.Unix(1, 0).UTC()}, Module: results.Module{Name: "drv", Version: "2.2", SourceDigest: tested, Git: &results.Git{Commit: "00ff"}},
		Records: []results.Record{kernel("6.1.0", results.Pass), kernel("6.12.0", results.Fail)}}
	r.Records[1].Stage, r.Records[1].Splats = results.StageLoad, []results.Splat{{Title: "BUG: x", Line: 2}}
	r.Finish()
	return r
}

func logs() fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, name := range []string{"cells/6.1.0/console.log", "cells/6.1.0/build.log", "cells/6.12.0/console.log", "cells/6.12.0/build.log"} {
		fsys[name] = &fstest.MapFile{Data: []byte(name + "\nBUG: x\n")}
	}
	return fsys
}

// written is the evidence of r, signed where there is a signer.
func written(t *testing.T, r *results.Results, signer *Signer, by Tester) string {
	t.Helper()
	d, err := Prepare(r, logs(), results.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "drv.evidence.tar.zst")
	if _, err := d.Write(t.Context(), path, "text", signer, by); err != nil {
		t.Fatal(err)
	}
	return path
}

func contentsOf(t *testing.T, path string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	if _, err := ReadFile(t.Context(), path, EvidenceSchema, EvidenceLimits, func(e Entry, in io.Reader) (err error) {
		files[e.Name], err = io.ReadAll(in)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}

func unpackAll(t *testing.T, path, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := Unpack(t.Context(), path, EvidenceSchema, root, EvidenceLimits); err != nil {
		t.Fatal(err)
	}
}

// repacked is the evidence at path after change, packed as modmatrix packs it.
func repacked(t *testing.T, path string, change func(map[string][]byte, *Manifest)) string {
	t.Helper()
	files := contentsOf(t, path)
	m := Manifest{Schema: EvidenceSchema, Tool: "modmatrix 0.1.0"}
	change(files, &m)
	var all []File
	for name, data := range files {
		all = append(all, File{Name: name, Data: data})
	}
	out := filepath.Join(t.TempDir(), "changed.evidence.tar.zst")
	if _, _, err := WriteFile(out, m, all); err != nil {
		t.Fatal(err)
	}
	return out
}

func signersFile(t *testing.T, principals, key string) string {
	t.Helper()
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), SignersName)
	if err := os.WriteFile(path, append([]byte(principals+" "), public...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func trustIn(t *testing.T, principals, key string) *Trust {
	t.Helper()
	trust, err := ReadTrust(signersFile(t, principals, key), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

var bob = Tester{"Bob B.", "bob@example.org"}

func TestOpen(t *testing.T) {
	key := newKey(t, "bob", "")
	signer := opened(t, key)
	for what, c := range map[string]struct {
		path  string
		trust *Trust
		state State
		who   string
		by    Tester
		why   string
	}{
		"unsigned":        {written(t, sample(t), nil, Tester{}), nil, Unsigned, "", Tester{}, "anybody"},
		"no list":         {written(t, sample(t), signer, bob), nil, Unknown, "", bob, "no list"},
		"not listed":      {written(t, sample(t), signer, bob), trustIn(t, "*", newKey(t, "eve", "")), Unknown, "", bob, "not listed"},
		"trusted":         {written(t, sample(t), signer, bob), trustIn(t, "bob@example.org,b@example.net", key), Trusted, "bob@example.org", bob, ""},
		"trusted, silent": {written(t, sample(t), signer, Tester{}), trustIn(t, "bob@example.org", key), Trusted, "bob@example.org", Tester{}, ""},
		"as another":      {written(t, sample(t), signer, Tester{"Eve", "eve@example.org"}), trustIn(t, "bob@example.org", key), Trusted, "bob@example.org", Tester{}, "not for eve@example.org"},
		"for git alone":   {written(t, sample(t), signer, bob), trustIn(t, `bob@example.org namespaces="git"`, key), Unknown, "", bob, "other namespaces"},
		"for all but it":  {written(t, sample(t), signer, bob), trustIn(t, `bob@example.org namespaces="*,!modmatrix-*"`, key), Unknown, "", bob, "other namespaces"},
		"once":            {written(t, sample(t), signer, bob), trustIn(t, `bob@example.org valid-before="20200101Z"`, key), Unknown, "", bob, "until 2020-01-01"},
		"some day":        {written(t, sample(t), signer, bob), trustIn(t, `bob@example.org valid-after="99980101"`, key), Unknown, "", bob, "from 9998-01-01 on"},
	} {
		e, err := Open(t.Context(), c.path, c.trust)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if e.State != c.state || e.Who != c.who || e.Tester != c.by || e.Consent != (c.by != Tester{}) || !strings.Contains(e.Why, c.why) || c.why == "" && e.Why != "" {
			t.Errorf("%s: got %s %q %v %v %q", what, e.State, e.Who, e.Tester, e.Consent, e.Why)
		}
		if e.Source != tested || len(e.Results.Records) != 2 || e.Shown.How != "text" {
			t.Errorf("%s: got %s, %d records, shown as %s", what, e.Source, len(e.Results.Records), e.Shown.How)
		}
	}
}

// Of the logs, only those of cells that need a look are in it.
func TestWhatEvidenceHolds(t *testing.T) {
	e, err := Open(t.Context(), written(t, sample(t), opened(t, newKey(t, "bob", "")), bob), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range e.Files {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "cells/6.12.0/build.log cells/6.12.0/console.log results.json shown.json statement.dsse.json statement.pae statement.pae.sig" {
		t.Error(got)
	}
	if a := e.Results.Records[0].Artifacts; a != (results.Artifacts{}) {
		t.Error(a)
	}
}

func TestCheckSource(t *testing.T) {
	e, err := Open(t.Context(), written(t, sample(t), nil, Tester{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.CheckSource(tested); err != nil {
		t.Error(err)
	}
	if err := e.CheckSource("sha256:" + strings.Repeat("b", 64)); err == nil || !strings.Contains(err.Error(), "old evidence does not count for a new source") {
		t.Error(err)
	}
}

func TestConflicts(t *testing.T) {
	bobs, eves, second := newKey(t, "bob", ""), newKey(t, "eve", ""), newKey(t, "second", "")
	other := sample(t)
	other.Records[1].Status = results.Pass
	other.Finish()
	missing := sample(t)
	missing.Records[0].Status = results.Miss
	missing.Finish()
	newer := sample(t)
	newer.Module.SourceDigest = "sha256:" + strings.Repeat("b", 64)
	newer.Records[1].Status = results.Pass
	newer.Finish()
	trust := trustIn(t, "bob@example.org", bobs)
	more, err := os.ReadFile(second + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	both, err := parseTrust(slices.Concat(mustRead(t, trust.Path), []byte("bob@example.org "), more), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	open := func(r *results.Results, key string, trust *Trust) *Evidence {
		var signer *Signer
		if key != "" {
			signer = opened(t, key)
		}
		e, err := Open(t.Context(), written(t, r, signer, Tester{}), trust)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for what, c := range map[string]struct {
		all  []*Evidence
		want int
	}{
		"the same twice":    {[]*Evidence{open(sample(t), bobs, nil), open(sample(t), bobs, nil)}, 0},
		"other verdicts":    {[]*Evidence{open(sample(t), bobs, nil), open(other, bobs, nil)}, 1},
		"of two people":     {[]*Evidence{open(sample(t), bobs, nil), open(other, eves, nil)}, 0},
		"two keys of one":   {[]*Evidence{open(sample(t), bobs, both), open(other, second, both)}, 1},
		"of nobody":         {[]*Evidence{open(sample(t), "", nil), open(other, "", nil)}, 0},
		"not run before":    {[]*Evidence{open(missing, bobs, nil), open(sample(t), bobs, nil)}, 0},
		"of another source": {[]*Evidence{open(sample(t), bobs, nil), open(newer, bobs, nil)}, 0},
	} {
		got := Conflicts(c.all)
		if len(got) != c.want {
			t.Errorf("%s: got %v", what, got)
		}
		for _, conflict := range got {
			if text := conflict.Error(); !strings.Contains(text, "say FAIL and PASS of 6.12.0") || !strings.Contains(text, c.all[0].Path) {
				t.Error(text)
			}
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
