package kernels

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// testTree is a kernel in small: what depmod says of the virtio modules of 6.1, a soft dependency, a soft cycle.
func testTree(t *testing.T) *Tree {
	dir := filepath.Join(t.TempDir(), "6.1.0-56-amd64")
	write(t, filepath.Join(dir, "modules.dep"), `kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/fs/nfsd/nfsd.ko: kernel/fs/lockd/lockd.ko
kernel/fs/lockd/lockd.ko:
kernel/crypto/md5.ko:
kernel/lib/libcrc32c.ko:
kernel/arch/crc32c-intel.ko:
kernel/crypto/crc32c_generic.ko:
kernel/crypto/one.ko:
kernel/a.ko:
kernel/b.ko:
`)
	write(t, filepath.Join(dir, "modules.softdep"), "# soft\nsoftdep nfsd pre: md5 gone post: b\nsoftdep lockd b\nsoftdep libcrc32c pre: crc32c some-one\nsoftdep a pre: b\nsoftdep b pre: a\n")
	write(t, filepath.Join(dir, "modules.alias"), "# also\nalias cpu:type:x86,ven* crc32c_intel\nalias crc32c crc32c_intel\nalias crc32c crc32c_generic\nalias some-one one\nalias crc32c-intel crc32c_intel\n")
	write(t, filepath.Join(dir, "modules.builtin"), "kernel/drivers/tty/serial/8250/8250-base.ko\n")
	return &Tree{Target: Target{Release: "6.1.0-56-amd64"}, Modules: dir}
}

func TestClosureIsInLoadOrder(t *testing.T) {
	tree := testTree(t)
	for names, want := range map[string]string{
		"virtio_pci":            "virtio virtio_ring virtio_pci_modern_dev virtio_pci",
		"virtio-pci virtio_rng": "virtio virtio_ring virtio_pci_modern_dev virtio_pci virtio-rng",
		"virtio-rng.ko.xz":      "virtio virtio_ring virtio-rng",
		"8250_base":             "",
		"nfsd":                  "md5 lockd nfsd",
		"libcrc32c":             "crc32c_generic one libcrc32c",
		"b":                     "a b",
		"a b":                   "b a",
		"":                      "",
	} {
		got, err := tree.Closure(strings.Fields(names)...)
		if err != nil {
			t.Errorf("%s: %v", names, err)
			continue
		}
		var short []string
		for _, p := range got {
			if !strings.HasPrefix(p, tree.Modules+"/kernel/") {
				t.Errorf("%s: %s is not a host path", names, p)
			}
			short = append(short, strings.TrimSuffix(strings.TrimSuffix(filepath.Base(p), ".xz"), ".ko"))
		}
		if !slices.Equal(short, strings.Fields(want)) {
			t.Errorf("Closure(%s) = %v; want %s", names, short, want)
		}
	}
}

// What is kept is what the first of all who ask reads, of copies of the tree as well.
func TestKeptModules(t *testing.T) {
	tree := testTree(t)
	tree.KeepModules()
	next := *tree
	var wg sync.WaitGroup
	for _, asked := range []*Tree{tree, &next, tree, &next} {
		wg.Go(func() {
			if got, err := asked.Closure("b"); err != nil || len(got) != 2 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	write(t, filepath.Join(tree.Modules, "modules.dep"), "kernel/new.ko:\n")
	for _, asked := range []*Tree{tree, &next} {
		if _, ok, err := asked.Module("new"); ok || err != nil {
			t.Errorf("it was read again: %v", err)
		}
	}
	next.KeepModules()
	if _, ok, err := next.Module("new"); !ok || err != nil {
		t.Errorf("it was not read anew: %v", err)
	}
	gone := &Tree{Modules: t.TempDir()}
	gone.KeepModules()
	for range 2 {
		if _, err := gone.Closure("a"); err == nil {
			t.Error("the error is not kept")
		}
	}
}

func TestClosureSpeaksOfUnknownModules(t *testing.T) {
	tree := testTree(t)
	if _, err := tree.Closure("virtio", "snd"); err == nil || !strings.Contains(err.Error(), "6.1.0-56-amd64 has no module snd") {
		t.Error(err)
	}
	write(t, filepath.Join(tree.Modules, "modules.dep"), "kernel/a.ko\n")
	if _, err := tree.Closure("a"); err == nil || !strings.Contains(err.Error(), "modules.dep: line 1") {
		t.Error(err)
	}
	if _, err := (&Tree{Modules: t.TempDir()}).Closure(); err == nil {
		t.Error("no modules.dep and no error")
	}
}

func FuzzModulesDep(f *testing.F) {
	f.Add("kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n")
	f.Add("kernel/a.ko: kernel/a.ko\n")
	f.Add("../../etc/shadow:\n")
	f.Fuzz(func(t *testing.T, text string) {
		files, err := parseModulesDep(text)
		if err != nil {
			return
		}
		deps, seen, order := moduleDeps{files: files}, map[string]bool{}, []string(nil)
		for name, file := range files {
			if !filepath.IsLocal(file.path) || ModuleName(file.path) != name {
				t.Fatalf("%q: file %q", name, file.path)
			}
			if err := deps.visit(name, seen, &order); err != nil {
				t.Fatal(err)
			}
		}
		if len(order) != len(files) {
			t.Fatalf("%d files, %d in the order", len(files), len(order))
		}
	})
}

func TestAliasMeansWhatModprobeWouldLoad(t *testing.T) {
	tree := testTree(t)
	write(t, filepath.Join(tree.Modules, "modules.alias"), `# Aliases extracted from modules themselves.
alias crypto-md5 md5
alias crypto-crc32c crc32c_intel
alias crypto-crc32c crc32c_generic
alias fs-nfsd nfsd
alias lockd-[0-9] lockd
alias net-pf-?-proto-* one
alias rng-* virtio_rng
alias a b
alias broken-[ b
`)
	for name, want := range map[string]string{
		"md5": "md5", "virtio-rng": "virtio_rng", "virtio_rng": "virtio_rng", "8250_base": "", "8250-base": "",
		"crypto-md5": "md5", "crypto_md5": "md5", "crypto-crc32c": "crc32c_intel crc32c_generic",
		"lockd-7": "lockd", "lockd--": "?", "net-pf-2-proto-132": "one", "net-pf-10-proto-132": "?", "rng-": "virtio_rng",
		"a": "a", "crypto-md": "?", "crypto-md5-all": "?", "*": "?", "crypto-*": "?", "broken-[": "?", "": "?", "../md5": "?",
	} {
		got, err := tree.Alias(name)
		var none *NoModuleError
		switch {
		case want == "?" && !errors.As(err, &none):
			t.Errorf("%q: got %q, %v; want none", name, got, err)
		case want != "?" && (err != nil || strings.Join(got, " ") != want):
			t.Errorf("%q: got %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestReadModuleUnpacks(t *testing.T) {
	want := bytes.Repeat([]byte("\x7fELF module "), 1000)
	dir := t.TempDir()
	for suffix, pack := range map[string]func(io.Writer) (io.WriteCloser, error){
		"":     func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil },
		".gz":  func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		".xz":  func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		".zst": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	} {
		var buf bytes.Buffer
		w, err := pack(&buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(want); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "m.ko"+suffix)
		write(t, path, buf.String())
		if got, err := ReadModule(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
		if _, err := unpackAll(bytes.NewReader(buf.Bytes()), 100); err == nil {
			t.Errorf("%q: no bound", suffix)
		}
		if suffix == "" {
			continue
		}
		if err := os.Truncate(path, int64(buf.Len()/2)); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadModule(path); err == nil {
			t.Errorf("%s: half a file was read without an error", path)
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}
