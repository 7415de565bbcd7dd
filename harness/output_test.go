package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// The folder of results may have come with a stranger's files. Nothing that lies in it leads a run anywhere else; the control
// shows that what is planted would: an ordinary write at the same path goes through the link.
func TestOutputFollowsNoLink(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, out, prey string){
		"the folder itself": func(t *testing.T, out, prey string) { link(t, prey, out) },
		"the journal": func(t *testing.T, out, prey string) {
			link(t, filepath.Join(prey, "file"), filepath.Join(out, results.JournalName))
		},
		"results.json": func(t *testing.T, out, prey string) {
			link(t, filepath.Join(prey, "file"), filepath.Join(out, results.FileName))
		},
		"matrix.md": func(t *testing.T, out, prey string) {
			link(t, filepath.Join(prey, "file"), filepath.Join(out, results.MatrixName))
		},
		"cells": func(t *testing.T, out, prey string) { link(t, prey, filepath.Join(out, results.CellsName)) },
		"a kernel's cells": func(t *testing.T, out, prey string) {
			link(t, prey, filepath.Join(out, results.CellsName, "old-amd64"))
			mark(t, out)
		},
		"a suite's cell": func(t *testing.T, out, prey string) {
			link(t, prey, filepath.Join(out, results.CellsName, "old-amd64", Lifecycle))
			mark(t, out)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "call pass\npoweroff\n")
			f.spec.Kernels = Selectors("debian:old")
			prey := t.TempDir()
			for _, file := range []string{"file", "a/b", "lifecycle/console.log"} {
				writePrey(t, filepath.Join(prey, file))
			}
			before := snapshot(t, prey)
			f.spec.Out = filepath.Join(t.TempDir(), "out")
			plant(t, f.spec.Out, prey)
			res, err := f.run(t, t.Context())
			if after := snapshot(t, prey); after != before {
				t.Errorf("what lies elsewhere was changed: %s\nwas %s", after, before)
			}
			if err == nil && (name != "a suite's cell" || res.ExitCode() != results.ExitPass) {
				t.Errorf("nothing was said of the link: %s", summary(res))
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		out, prey := t.TempDir(), t.TempDir()
		writePrey(t, filepath.Join(prey, "file"))
		link(t, filepath.Join(prey, "file"), filepath.Join(out, results.JournalName))
		if err := os.WriteFile(filepath.Join(out, results.JournalName), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(filepath.Join(prey, "file")); err != nil || len(data) > 0 {
			t.Errorf("an ordinary write does not go through the link: %q, %v", data, err)
		}
	})
}

// A folder with somebody's own files is not swept, whatever they are called.
func TestOutputIsNoFolderOfSomebodyElse(t *testing.T) {
	for _, file := range []string{"cells/2026/january/notes.txt", "results.json", "matrix.md", "journal.jsonl"} {
		f := newFixture(t, "call pass\npoweroff\n")
		f.spec.Out = t.TempDir()
		writePrey(t, filepath.Join(f.spec.Out, file))
		before := snapshot(t, f.spec.Out)
		_, err := f.run(t, t.Context())
		if _, usage := errors.AsType[*UsageError](err); !usage || !strings.Contains(err.Error(), "that no run made") {
			t.Errorf("%s: %v", file, err)
		}
		if snapshot(t, f.spec.Out) != before {
			t.Errorf("%s was changed", file)
		}
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
		t.Fatal(err)
	}
}

// mark makes dir look like the folder of an earlier run.
func mark(t *testing.T, dir string) {
	t.Helper()
	head := `{"head":{"schema":"` + results.JournalSchema + `"}}`
	if err := os.WriteFile(filepath.Join(dir, results.JournalName), []byte(head+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writePrey(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("mine"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func hasFiles(t *testing.T, dir string, files []string) bool {
	t.Helper()
	folder, err := results.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	return folder.Has(files)
}
