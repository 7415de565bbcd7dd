package console

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecorded reads what real kernels printed, of six architectures beside x86_64, under the modules of suites/zoo or one
// that does what its header says. The header of each file says in words what the module does, and for each splat the kind, the
// title and the module to be found, and in some the last line of it; and for Places the functions.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) < 90 {
		t.Fatalf("%d recorded consoles, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, log, _ := bytes.Cut(data, []byte("\n\n"))
			var splats, ends, places []string
			for _, s := range Scan(log) {
				splats = append(splats, withModule(s.Kind+": "+s.Title, s.Module))
				ends = append(ends, lastLine(log, s))
			}
			for _, f := range Places(log) {
				places = append(places, withModule(f.Function, f.Module))
			}
			if want := headers(head, "SPLAT: "); !slices.Equal(splats, want) {
				t.Errorf("splats are\n%s\nwant\n%s", strings.Join(splats, "\n"), strings.Join(want, "\n"))
			}
			if want := headers(head, "ENDS: "); len(want) > 0 && !slices.Equal(ends, want) {
				t.Errorf("splats end with\n%s\nwant\n%s", strings.Join(ends, "\n"), strings.Join(want, "\n"))
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

// lastLine is the line with which a splat ends, cleaned.
func lastLine(log []byte, s Splat) string {
	text := log[:s.End]
	return strings.TrimSpace(Clean(text[bytes.LastIndexByte(text, '\n')+1:]).Text)
}
