package dir

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzReadBzImage(f *testing.F) {
	f.Add([]byte(bzImage("6.12.3")))
	f.Add([]byte(bzImage(strings.Repeat("6", 300))))
	f.Fuzz(func(t *testing.T, head []byte) {
		if i, err := readBzImage(head, build); err == nil && i != "" && !releaseWord.MatchString(i) {
			t.Errorf("%q", i)
		}
	})
}

func FuzzReadVmlinux(f *testing.F) {
	f.Add([]byte(module("depends=")))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = readVmlinux(bytes.NewReader(data), build) })
}

func FuzzOrderedModule(f *testing.F) {
	for _, line := range []string{"drivers/a.o", "kernel/drivers/a.ko", "../../etc/passwd", "/etc/passwd.ko", ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if name := orderedModule(line); name != "" && (!filepath.IsLocal(name) || !isModule(name)) {
			t.Errorf("%q", name)
		}
	})
}
