package vm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

// driveSize is small: the guest looks for partitions at the beginning, and at the end.
const driveSize = 4 << 20

// diskModules are the modules that give a guest its disk, in load order. Kernels have the first ones built in, or as modules.
func diskModules(t *testing.T, kernel string) []string {
	t.Helper()
	return moduleFiles(t, kernel, realArch(t).QEMU.DiskModules...)
}

// moduleFiles finds, below the folder of a kernel's image, the files of modules with what they need, in load order, as its modules.dep
// has them. One that is built in has none.
func moduleFiles(t *testing.T, kernel string, names ...string) (list []string) {
	t.Helper()
	deps := modulesDep(kernel)
	if deps == nil {
		t.Fatalf("no modules.dep of %s", kernel)
	}
	add := func(name string) {
		for path, needs := range deps {
			if plain, _, _ := strings.Cut(filepath.Base(path), ".ko"); strings.ReplaceAll(plain, "-", "_") == name && !slices.Contains(list, path) {
				for _, need := range slices.Backward(needs) {
					if !slices.Contains(list, need) {
						list = append(list, need)
					}
				}
				list = append(list, path)
			}
		}
	}
	for _, name := range names {
		add(name)
	}
	return list
}

// modulesDep reads the modules.dep beside a kernel's image: of each module what it needs, the last first. Nil: there is none.
func modulesDep(kernel string) map[string][]string {
	dir := filepath.Dir(kernel)
	for _, root := range []string{dir, filepath.Dir(dir)} {
		var found string
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if strings.HasSuffix(path, "/modules.dep") {
				found = path
			}
			return nil
		})
		text, err := os.ReadFile(found)
		if err != nil {
			continue
		}
		deps := map[string][]string{}
		for line := range strings.Lines(string(text)) {
			path, needs, _ := strings.Cut(line, ":")
			path = filepath.Join(filepath.Dir(found), path)
			deps[path] = []string{}
			for _, need := range strings.Fields(needs) {
				deps[path] = append(deps[path], filepath.Join(filepath.Dir(found), need))
			}
		}
		return deps
	}
	return nil
}

// diskInitrd is testInitrd with these modules behind it.
func diskInitrd(t *testing.T, kernel string, modules []string) string {
	t.Helper()
	archive, err := os.ReadFile(testInitrd(t, kernel))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk.cpio")
	if err := os.WriteFile(path, withModules(t, archive, "modules", modules), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withModules is archive with modules in the folder dir behind it.
func withModules(t *testing.T, archive []byte, dir string, modules []string) []byte {
	t.Helper()
	out := bytes.NewBuffer(bytes.Clone(archive))
	for out.Len()%512 != 0 {
		out.WriteByte(0)
	}
	records := []cpio.Record{cpio.Directory(dir, 0o755)}
	for i, path := range modules {
		code, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".xz") {
			code, err = exec.Command("xz", "-dc", path).Output()
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, cpio.StaticFile(fmt.Sprintf("%s/%02d.ko", dir, i), string(code), 0o644))
	}
	w := cpio.Newc.Writer(out)
	if err := errors.Join(cpio.WriteRecords(w, records), cpio.WriteTrailer(w)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// drive makes a disk with text in its second MiB.
func drive(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive, with comma")
	content := make([]byte, driveSize)
	copy(content[1<<20:], text)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
