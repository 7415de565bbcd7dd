package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// sourceEnv names selectors of real kernels, with blanks between them: "tar:linux-6.12.tar.xz git:/src/linux@v6.18+kasan". Their
// sources are too large to come with the tests, and each is compiled, which takes minutes.
const sourceEnv = "MODMATRIX_TEST_SOURCES"

// TestRealKernels compiles real kernels into the user's own store, and a module against each.
func TestRealKernels(t *testing.T) {
	selectors := strings.Fields(os.Getenv(sourceEnv))
	if len(selectors) == 0 {
		t.Skipf("%s names no kernels to compile", sourceEnv)
	}
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := New(st, debian.New(st, debian.Config{}))
	for _, text := range selectors {
		t.Run(filepath.Base(text), func(t *testing.T) {
			began := time.Now()
			tree, err := fetch(t, s, text)
			if err != nil {
				t.Fatal(err)
			}
			image, err := os.Stat(tree.Image)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s+%s by %s: %d symbols, image of %d KiB, guests with %d MiB more, %.0f s", tree.Target.Release, tree.Target.Profile,
				tree.Root.Compiler, tree.Config.Len(), image.Size()>>10, tree.Target.MoreMiB, time.Since(began).Seconds())
			buildAgainst(t, tree)
		})
	}
}

// buildAgainst builds a module, and looks for what boots need.
func buildAgainst(t *testing.T, tree *kernels.Tree) {
	if files, err := tree.Closure("virtio_pci", "virtio_blk"); err != nil || len(files) > 0 {
		t.Errorf("a guest would have to load %v for its drive, %v", files, err)
	}
	src := t.TempDir()
	put(t, filepath.Join(src, "Kbuild"), []byte("obj-m := probe.o\n"))
	put(t, filepath.Join(src, "probe.c"), []byte(probe))
	art, err := kbuild.Build(t.Context(), kbuild.Request{Tree: tree, Source: kbuild.Source{Top: src}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(art.Modules) != 1 || art.Modules[0].Release() != tree.Target.Release {
		t.Errorf("built %+v", art.Modules)
	}
}

const probe = `#include <linux/module.h>
#include <linux/slab.h>
static void *p;
static int __init probe_init(void) { p = kmalloc(8, GFP_KERNEL); return p ? 0 : -ENOMEM; }
static void __exit probe_exit(void) { kfree(p); }
module_init(probe_init);
module_exit(probe_exit);
MODULE_DESCRIPTION("a probe");
MODULE_LICENSE("GPL");
`
