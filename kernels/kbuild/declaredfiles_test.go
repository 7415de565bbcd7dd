package kbuild

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeclaredFiles(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"one":            {map[string]string{"Makefile": "obj-m := my-drv.o\n"}, "my-drv.ko"},
		"Kbuild first":   {map[string]string{"Makefile": "obj-m := a.o\n", "Kbuild": "obj-m := b.o\n"}, "b.ko"},
		"by a variable":  {map[string]string{"Makefile": "NAME = drv\nobj-m += $(NAME).o $(OTHER).o\ndrv-y := a.o b.o\n"}, "drv.ko"},
		"folders":        {map[string]string{"Kbuild": "obj-m += core/ net/ core/\n", "core/Makefile": "obj-$(CONFIG_X) += core.o\n", "net/Kbuild": "obj-m += a.o ../core/\n"}, "core/core.ko net/a.ko"},
		"out of it":      {map[string]string{"Kbuild": "obj-m += ../x.o /abs.o ../y/\n"}, ""},
		"in a circle":    {map[string]string{"Kbuild": "obj-m += a/\n", "a/Kbuild": "obj-m += ../ x.o\n"}, "a/x.ko"},
		"folder missing": {map[string]string{"Kbuild": "obj-m += gone/ x.o\n"}, "x.ko"},
	} {
		dir := t.TempDir()
		for file, text := range test.files {
			at := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		files, err := DeclaredFiles(dir)
		if got := strings.Join(files, " "); err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
		}
	}
}
