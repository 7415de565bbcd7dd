package console

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecorded reads what real kernels printed under the modules of suites/zoo. The header of each file says in words
// what the module does, and for each splat the kind, the title and the module to be found; and for Places the functions.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) < 24 {
		t.Fatalf("%d recorded consoles, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, log, _ := bytes.Cut(data, []byte("\n\n"))
			var splats, places []string
			for _, s := range Scan(log) {
				splats = append(splats, withModule(s.Kind+": "+s.Title, s.Module))
			}
			for _, f := range Places(log) {
				places = append(places, withModule(f.Function, f.Module))
			}
			if want := headers(head, "SPLAT: "); !slices.Equal(splats, want) {
				t.Errorf("splats are\n%s\nwant\n%s", strings.Join(splats, "\n"), strings.Join(want, "\n"))
			}
			if want := headers(head, "PLACE: "); !slices.Equal(places, want) {
				t.Errorf("places are\n%s\nwant\n%s", strings.Join(places, "\n"), strings.Join(want, "\n"))
			}
			checkInvariants(t, log)
		})
	}
}

func headers(head []byte, key string) (values []string) {
	for line := range strings.Lines(string(head)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func withModule(text, module string) string {
	if module == "" {
		return text
	}
	return text + " [" + module + "]"
}
