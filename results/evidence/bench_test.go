package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// BenchmarkOpen100 opens what a hundred testers sent in: forty kernels with three suites each, of which a tenth fails, with their logs.
// With EVIDENCE_INTO, the files stay in that folder.
func BenchmarkOpen100(b *testing.B) {
	dir := b.TempDir()
	if into := os.Getenv("EVIDENCE_INTO"); into != "" {
		dir = into
	}
	r, consoles := wide(), fstest.MapFS{}
	for _, rec := range r.Records {
		for _, name := range rec.Files() {
			consoles[name] = &fstest.MapFile{Data: slices.Concat(slices.Repeat([][]byte{[]byte("[    5.680043] BUG: kernel NULL pointer dereference, address: 0000000000000000\n")}, 500)...)}
		}
	}
	d, err := Prepare(r, consoles, results.Identity{})
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	for i := range 100 {
		signer, err := OpenSigner(newKey(b, "k", ""), noPassphrase)
		path := filepath.Join(dir, fmt.Sprintf("%03d.evidence.tar.zst", i))
		if err == nil {
			_, err = d.Write(b.Context(), path, "text", signer, Tester{"Bob", "bob@example.org"})
		}
		if err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	for b.Loop() {
		var all []*Evidence
		for _, e := range OpenAll(b.Context(), paths, nil, "") {
			if e.Err != nil {
				b.Fatal(e.Err)
			}
			all = append(all, e.Evidence)
		}
		if c := Conflicts(all); len(c) > 0 {
			b.Fatal(errors.Join(c[0]))
		}
	}
}

func wide() *results.Results {
	r := &results.Results{Run: results.Run{ID: "R", Tool: "modmatrix 0.1.0", Started: time.Unix(1, 0).UTC()}, Module: results.Module{Name: "drv", SourceDigest: tested}}
	for k := range 40 {
		for s := range 3 {
			at := fmt.Sprintf("cells/%d/%d/", k, s)
			rec := results.Record{Target: results.Target{Release: fmt.Sprintf("6.1.%d-amd64", k), Version: fmt.Sprintf("6.1.%d", k), Arch: "x86_64", Source: "debian:trixie", ConfigDigest: tested},
				Suite: fmt.Sprintf("suite%d", s), Status: results.Pass, Artifacts: results.Artifacts{Console: at + "console.log", BuildLog: at + "build.log"}}
			for n := range 20 {
				rec.Specs = append(rec.Specs, results.Spec{Name: fmt.Sprintf("does the %d. thing as it should", n), Status: results.Pass, DurationMS: 12, Attempts: 1})
			}
			if (k+s)%10 == 0 {
				rec.Status = results.Fail
			}
			r.Records = append(r.Records, rec)
		}
	}
	r.Finish()
	return r
}
