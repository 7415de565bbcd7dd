package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestComplete(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"cat", "chmod", "modules/foo.ko", "modules/fob"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/none:"+dir)
	t.Chdir(dir)
	for line, want := range map[string][]string{
		"c":                    {"cat", "chmod"},
		"echo x; ca":           {"echo x; cat"},
		"dmesg |ca":            {"dmesg |cat"},
		"cat mod":              {"cat modules/"},
		"cat modules/fo":       {"cat modules/fob", "cat modules/foo.ko"},
		"cat modules/":         {"cat modules/fob", "cat modules/foo.ko"},
		"./ch":                 {"./chmod"},
		"cat > " + dir + "/ch": {"cat > " + dir + "/chmod"},
		"x":                    nil,
		"cat none/":            nil,
	} {
		if got := completeLast(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q", line, got)
		}
	}
}
