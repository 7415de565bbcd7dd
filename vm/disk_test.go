package vm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

// driveSize is small: the guest looks for partitions at the beginning, and at the end.
const driveSize = 4 << 20

// diskModules finds, below the folder of a kernel's image, the modules that give a guest its disk, in load order.
// Kernels have the first ones built in, or as modules.
func diskModules(t *testing.T, kernel string) []string {
	t.Helper()
	release, _ := strings.CutPrefix(filepath.Base(kernel), "vmlinuz-")
	root := filepath.Dir(filepath.Dir(kernel))
	if release == "vmlinuz" {
		release, root = filepath.Base(filepath.Dir(kernel)), filepath.Dir(kernel)
	}
	found := map[string]string{}
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(path), ".ko"); ok && strings.Contains(path, release) {
			found[name] = path
		}
		return nil
	})
	var list []string
	for _, name := range []string{"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"} {
		if path := found[name]; path != "" {
			list = append(list, path)
		}
	}
	if found["virtio_blk"] == "" {
		t.Skipf("no virtio_blk module beside %s", kernel)
	}
	return list
}

// diskInitrd is testInitrd with these modules behind it.
func diskInitrd(t *testing.T, modules []string) string {
	t.Helper()
	archive, err := os.ReadFile(testInitrd(t))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer(archive)
	for out.Len()%512 != 0 {
		out.WriteByte(0)
	}
	records := []cpio.Record{cpio.Directory("modules", 0o755)}
	for i, path := range modules {
		code, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".xz") {
			code, err = exec.Command("xz", "-dc", path).Output()
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, cpio.StaticFile(fmt.Sprintf("modules/%02d.ko", i), string(code), 0o644))
	}
	w := cpio.Newc.Writer(out)
	if err := errors.Join(cpio.WriteRecords(w, records), cpio.WriteTrailer(w)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk.cpio")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
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
