package kbuild

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// TestLostFlags: what a source gives to variables that the kernel's build does not read.
func TestLostFlags(t *testing.T) {
	at := func(t *testing.T, lib, makefile string) string {
		tree := &kernels.Tree{KDIR: "/kernel", Target: kernels.Target{Release: "7.3"}, Root: kernels.Root{Dir: t.TempDir()},
			Mounts: []kernels.Mount{{Host: source(t, map[string]string{"scripts/Makefile.lib": lib}), Guest: "/kernel"}}}
		v, err := lookAt(tree)
		if err != nil {
			t.Fatal(err)
		}
		return scene{Request{Tree: tree, Dir: source(t, map[string]string{"Makefile": makefile})}, v}.lostFlags()
	}
	for makefile, want := range map[string]string{
		"EXTRA_CFLAGS += -I$(src)/inc -DX=1 -Wall\n":                "kernels from 6.15 on do not read EXTRA_CFLAGS, so -DX=1 -I$(src)/inc is lost: write ccflags-y",
		"all:\n\tmake -C k M=x EXTRA_CFLAGS=\"-DX\" modules\n":      "kernels from 6.15 on do not read EXTRA_CFLAGS, so -DX is lost: write ccflags-y",
		"EXTRA_LDFLAGS := -Dy\n":                                    "kernels from 6.15 on do not read EXTRA_LDFLAGS, so -Dy is lost: write ldflags-y",
		"EXTRA_CFLAGS := $(EXTRA_CFLAGS) \\\n  -DX\n":               "kernels from 6.15 on do not read EXTRA_CFLAGS, so -DX is lost: write ccflags-y",
		"EXTRA_CFLAGS += -DX\nCFLAGS += $(EXTRA_CFLAGS)\n":          "kernels from 6.15 on do not read EXTRA_CFLAGS, so -DX is lost: write ccflags-y", // of a program beside
		"EXTRA_CFLAGS += -Wall -O2\n":                               "",
		"# EXTRA_CFLAGS += -DX\nccflags-y += -DX\n":                 "",
		"EXTRA_CFLAGS += -DX\nccflags-y += $(EXTRA_CFLAGS)\n":       "",
		"MY_EXTRA_CFLAGS += -DX\nccflags-y := $(MY_EXTRA_CFLAGS)\n": "",
	} {
		if got := at(t, "modkern_cflags = x\n", makefile); got != want {
			t.Errorf("%q: %q", makefile, got)
		}
		if got := at(t, "ccflags-y += $(EXTRA_CFLAGS)\n", makefile); got != "" {
			t.Errorf("a kernel that reads it: %q", got)
		}
	}
}

// TestWhyNothing: why a Kbuild file makes no module.
func TestWhyNothing(t *testing.T) {
	tree := &kernels.Tree{Config: kconfig.Parse("CONFIG_IN=y\nCONFIG_MOD=m\n")}
	for kbuild, want := range map[string]string{
		"obj-y := a.o\n":                              "Kbuild says obj-y, which makes a part of the kernel: obj-m makes a module",
		"obj-$(CONFIG_OFF) += a.o\n":                  "CONFIG_OFF is not set in this kernel",
		"obj-$(CONFIG_IN) += a.o\n":                   "CONFIG_IN is y in this kernel, which makes a part of the kernel and no module",
		"obj-$(CONFIG_OFF) += a.o b.o\nobj-y := c/\n": "CONFIG_OFF is not set in this kernel",
		"obj-m := $(NOTHING)\n":                       "nothing in the Kbuild file applies to this kernel's configuration",
	} {
		if got, _ := (Request{Tree: tree, Dir: source(t, map[string]string{"Kbuild": kbuild})}).whyNothing(); got != want {
			t.Errorf("%q: %q", kbuild, got)
		}
	}
}

// TestInstead: what make built in place of a module that was expected.
func TestInstead(t *testing.T) {
	r := Request{Dir: source(t, map[string]string{"fan-ctl.ko": "", "sub/other.ko": ""})}
	for name, want := range map[string]string{"fan_ctl.ko": ": there is fan-ctl.ko instead", "other.ko": ": there is sub/other.ko instead", "gone.ko": ": make built fan-ctl.ko, sub/other.ko"} {
		if got, known := r.instead(name); got != want || known != strings.Contains(want, "instead") {
			t.Errorf("%s: %q, %v", name, got, known)
		}
	}
	if got, _ := (Request{Dir: t.TempDir()}).instead("a.ko"); got != "" {
		t.Error(got)
	}
}
