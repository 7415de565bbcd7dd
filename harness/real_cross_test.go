package harness_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// crossKernels are of both orders of bytes.
const crossKernels = "debian:bookworm%arm64 debian:bookworm%s390x"

// TestRealCross builds the example for kernels of other machines, those of crossKernels or of MODMATRIX_TEST_CROSS, each with its own compiler.
func TestRealCross(t *testing.T) {
	needReal(t)
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	src := debian.New(st, debian.Config{})
	texts := crossKernels
	if named := os.Getenv("MODMATRIX_TEST_CROSS"); named != "" {
		texts = named
	}
	for _, text := range strings.Fields(texts) {
		t.Run(text, func(t *testing.T) { crossBuild(t, src, text) })
	}
}

func crossBuild(t *testing.T, src *debian.Source, text string) {
	sel, err := kernels.ParseSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	res, err := src.Resolve(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	for _, notice := range res.Notices {
		t.Log(notice)
	}
	for _, target := range res.Targets {
		if target.Arch != sel.Architecture().Name {
			t.Errorf("%s is for %s", target.Release, target.Arch)
		}
		tree, err := src.Fetch(t.Context(), target, nil)
		if err != nil {
			t.Fatal(err)
		}
		crossModule(t, tree, sel.Architecture())
	}
}

// crossModule builds against tree, and looks at what came out.
func crossModule(t *testing.T, tree *kernels.Tree, a arch.Arch) {
	top, err := filepath.Abs(exampleDriver)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	made, err := kbuild.Build(t.Context(), kbuild.Request{Tree: tree, Source: kbuild.Source{Top: top}, Dir: t.TempDir(), Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, m := range made.Modules {
		f, err := elf.Open(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if big := f.ByteOrder.String() == "BigEndian"; big != a.BigEndian || (f.Class == elf.ELFCLASS64) != (a.Bits == 64) {
			t.Errorf("%s is of %s, %s", m.Name, f.Class, f.ByteOrder)
		}
		t.Logf("%s: %s in %v, root %s, image %s", m.Name, m.Vermagic, made.Elapsed, filepath.Base(filepath.Dir(tree.Root.Dir)), filepath.Base(tree.Image))
	}
}
