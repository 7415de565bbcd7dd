package harness_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// TestRealRooms returns the rooms below what their own real tests need, and runs them: most cannot fetch a
// kernel themselves, for no room knows another.
func TestRealRooms(t *testing.T) {
	needReal(t)
	h, err := harness.New(harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	source := debian.New(h.Store(), debian.Config{})
	var trees []*kernels.Tree
	var images []string
	for _, sel := range realKernels {
		tree := fetchReal(t, source, sel)
		trees, images = append(trees, tree), append(images, tree.Image)
	}
	first := trees[0]
	driver, err := filepath.Abs(exampleDriver)
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []struct {
		dir, tests string
		env        []string
	}{
		{"vm", "Real|Template|Clone", []string{"MODMATRIX_TEST_KERNELS=" + strings.Join(images, ":")}},
		{"vm/vmtest", "Real", []string{"MODMATRIX_TEST_KERNELS=" + first.Image}},
		{"kernels/kbuild", "Real", []string{"MODMATRIX_TEST_TREES=" + writeTrees(t, trees), "MODMATRIX_TEST_SOURCES=" + driver}},
		{"kernels/api", "Real", []string{"MODMATRIX_TEST_TREES=" + writeTrees(t, append(trees, fetchReal(t, source, harness.Selectors("debian:trixie-backports")[0])))}},
		{"kernels/debian", "Real", nil}, // these three fetch theirs from the archive, into the same store
		{"kernels/dir", "Real", nil},
		{"kernels/host", "Real", nil},
		{"initramfs", "Build|Boot|Clones", []string{"MODMATRIX_TEST_BUILD=1", "MODMATRIX_TEST_KERNEL=" + first.Image, "MODMATRIX_TEST_MODULE=" + plainModules(t, first, "dummy"),
			"MODMATRIX_TEST_CHANNELS=" + plainModules(t, first, "virtio_pci", "virtio_blk"),
			"MODMATRIX_TEST_ZOO=" + builtZoo(t, first, "thread_left", "slab_left", "class_left", "init_fails_late", "no_exit", "sleep_init")}},
	} {
		t.Run(room.dir, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=20m", "-run", room.tests, "-v", ".")
			cmd.Dir = filepath.Join("..", room.dir)
			cmd.Env = append(os.Environ(), room.env...)
			out, err := cmd.CombinedOutput()
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(strings.TrimSpace(line), "--- SKIP") {
					t.Errorf("skipped, with all that it needs: %s", line)
				}
			}
			if err != nil || t.Failed() {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func fetchReal(t *testing.T, source *debian.Source, sel kernels.Selector) *kernels.Tree {
	t.Helper()
	res, err := source.Resolve(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := source.Fetch(t.Context(), res.Targets[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// writeTrees writes what the tests of kbuild and api read of trees.
func writeTrees(t *testing.T, trees []*kernels.Tree) string {
	t.Helper()
	type entry struct {
		Release, Root, Config, KDIR string
		Mounts                      []kernels.Mount
	}
	var entries []entry
	for _, tree := range trees {
		entries = append(entries, entry{tree.Target.Release, tree.Root.Dir, tree.DotFile, tree.KDIR, tree.Mounts})
	}
	data, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trees.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// builtZoo builds modules of the zoo for tree, and returns the folder with them.
func builtZoo(t *testing.T, tree *kernels.Tree, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		source, err := filepath.Abs(filepath.Join("../suites/zoo", name))
		if err != nil {
			t.Fatal(err)
		}
		made, err := kbuild.Build(t.Context(), kbuild.Request{Tree: tree, Source: kbuild.Source{Top: source}, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(made.Modules[0].Path, filepath.Join(dir, name+".ko")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// plainModules writes what the named modules of the kernel need, uncompressed, and returns the files in load order.
func plainModules(t *testing.T, tree *kernels.Tree, names ...string) string {
	t.Helper()
	paths, err := tree.Closure(names...)
	if err != nil || len(paths) == 0 {
		t.Fatalf("closure of %s: %v, %v", names, paths, err)
	}
	dir := t.TempDir()
	var files []string
	for _, path := range paths {
		data, err := kernels.ReadModule(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(path), ".ko")
		files = append(files, filepath.Join(dir, name+".ko"))
		if err := os.WriteFile(files[len(files)-1], data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(files, ":")
}
