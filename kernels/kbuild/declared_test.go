package kbuild

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestDeclared(t *testing.T) {
	for text, want := range map[string]string{
		"obj-m := a.o\n": "[a]",
		"obj-m += b-c.o sub/d.o \\\n\te.o # f.o\nobj-m += a.o\n": "[a b_c d e]",
		"obj-$(CONFIG_X) += x.o\nobj-y += core.o\n":              "[x]",
		"\texport obj-m=q.o sub/\n":                              "[q]",
		"obj-m := $(NAME).o\n# obj-m := not.o\nx-objs := y.o\n":  "[]",
		"default:\n\tmake -C /lib/modules M=$(PWD)\n":            "[]",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Declared(dir); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	if _, err := Declared(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
}
