package mainline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

const inFolder = "drivers/misc/my-drv/"

func TestMake(t *testing.T) {
	r := request(t, linux, driver)
	s := shapeOf(t, r)
	for at, want := range map[string]string{
		inFolder + "Makefile":    "# SPDX-License-Identifier: GPL-2.0-only\nobj-$(CONFIG_MY_DRV) += my-drv.o\nmy-drv-y := main.o core/part.o\n",
		inFolder + "core/part.c": "#include \"part.h\"\nint part;\n",
		"drivers/misc/Makefile":  "obj-$(CONFIG_OLDER) += older.o\nobj-$(CONFIG_MY_DRV) += my-drv/\n",
	} {
		if s.Files[at] != want {
			t.Errorf("%s is\n%s\nwant\n%s", at, s.Files[at], want)
		}
	}
	for at, parts := range map[string][]string{
		inFolder + "Kconfig":   {"config MY_DRV\n\ttristate \"A driver for tests\"\n\tdepends on I2C\n\tselect CRC9\n\thelp\n\t  Say"},
		"drivers/misc/Kconfig": {"source \"drivers/misc/sub/Kconfig\"\nsource \"drivers/misc/my-drv/Kconfig\"\nendmenu\n"},
		"MAINTAINERS":          {"3c59x.c\n\nMY DRV DRIVER\nM:\tAn Author <author@example.org>\nS:\tMaintained\nF:\tdrivers/misc/my-drv/\n\nZSWAP\n"},
		inFolder + "main.c":    {"#include \"inc/own.h\"\n#include \"core/part.h\"\n", "static void my_remove", "#ifdef HAVE_BY_PROBE"},
	} {
		for _, part := range parts {
			if !strings.Contains(s.Files[at], part) {
				t.Errorf("%s has not %q:\n%s", at, part, s.Files[at])
			}
		}
	}
	for _, gone := range []string{"version.h", "KERNEL_VERSION", "VOID_REMOVE", "static int my_remove", "for_old", "I2C_NEW", "RHEL"} {
		if strings.Contains(s.Files[inFolder+"main.c"], gone) {
			t.Errorf("main.c still has %s:\n%s", gone, s.Files[inFolder+"main.c"])
		}
	}
	if got := strings.Join(s.Left, " "); got != "Kbuild Makefile README.md" {
		t.Error("left out:", got)
	}
	todo := ""
	for _, d := range s.Todo {
		todo += d.String() + "\n"
	}
	for _, want := range []string{"main.c:9: unifdef leaves \"#ifdef HAVE_BY_PROBE\"", `left out: "ccflags-y := -I$(src)/inc -DX"`, "I2C_NEW"} {
		if !strings.Contains(todo, want) {
			t.Errorf("nothing to do about %s:\n%s", want, todo)
		}
	}
}

func TestPatchesApply(t *testing.T) {
	for name, plan := range map[string][]Part{"one": nil, "folders": {SplitByFolder}, "plan": {{"add the headers", []string{"*/*.h"}}, {"add nothing", []string{"none"}}}} {
		r := request(t, linux, driver)
		r.Plan = plan
		s := shapeOf(t, r)
		if want := map[string]int{"one": 1, "folders": 3, "plan": 2}[name]; len(s.Patches) != want {
			t.Errorf("%s: %d patches, want %d", name, len(s.Patches), want)
		}
		if last := s.Patches[len(s.Patches)-1]; !slices.Contains(last.Files, "drivers/misc/Makefile") || !strings.HasPrefix(last.Subject, "misc: add the my-drv driver") {
			t.Errorf("%s: the last is %+v", name, last)
		}
		if !strings.Contains(s.Patches[0].Text, "\nbase-tree: linux 6.12.3, linux-6.12.3.tar.xz") {
			t.Errorf("%s: it says not what it applies to", name)
		}
		if strings.Contains(s.Patches[0].Text, "Signed-off-by") {
			t.Errorf("%s: somebody was made to sign", name)
		}
		dir := applied(t, r.Linux, s)
		for at, want := range s.Files {
			if got, err := os.ReadFile(filepath.Join(dir, at)); err != nil || string(got) != want {
				t.Errorf("%s: %s is not what was rehearsed: %v", name, at, err)
			}
		}
	}
}

func TestAloneRightInTheFolder(t *testing.T) {
	s := shapeOf(t, request(t, linux, map[string]string{"Makefile": "obj-m += tiny.o\n", "tiny.c": "int tiny;\n"}))
	if s.Into != "drivers/misc" || s.Files["drivers/misc/tiny.c"] != "int tiny;\n" {
		t.Error(s.Into, s.Files)
	}
	want := "\thelp\n\t  It is old.\n\nconfig TINY\n"
	if k := s.Files["drivers/misc/Kconfig"]; !strings.Contains(k, want) || !strings.HasSuffix(k, "say N.\n\nsource \"drivers/misc/sub/Kconfig\"\nendmenu\n") {
		t.Error(k)
	}
	if !slices.ContainsFunc(s.Todo, func(d Todo) bool { return strings.Contains(d.What, "no MODULE_DESCRIPTION") }) {
		t.Error("nobody is asked for a description")
	}
}

func TestTheTreeHasIt(t *testing.T) {
	for version, want := range map[string]string{"1.10": "ours", "1.1": "theirs", "1.2": "unknown"} {
		s := shapeOf(t, request(t, linux, map[string]string{"Makefile": "obj-m += older.o\n", "older.c": "#include <linux/module.h>\nint older, more;\nMODULE_VERSION(\"" + version + "\");\n"}))
		if len(s.Copies) != 1 || s.Copies[0].Newer != want || s.Copies[0].Folder != "drivers/misc" {
			t.Fatalf("%s: %+v", version, s.Copies)
		}
		if f := s.Copies[0].Files; len(f) != 1 || f[0].Theirs != "drivers/misc/older.c" || f[0].Added < 1 || f[0].Gone < 1 {
			t.Errorf("%s: %+v", version, f)
		}
		if !strings.Contains(s.Copies[0].Diff, "-int older;\n") {
			t.Error(s.Copies[0].Diff)
		}
	}
	same := shapeOf(t, request(t, linux, map[string]string{"Makefile": "obj-m += older.o\n", "older.c": linux["drivers/misc/older.c"]}))
	if same.Copies[0].Newer != "same" {
		t.Errorf("%+v", same.Copies)
	}
}

func TestNoShape(t *testing.T) {
	for name, c := range map[string]struct {
		into   string
		module map[string]string
	}{
		"out of the tree": {"../x", driver}, "no such folder": {"drivers/none", driver}, "absolute": {"/etc", driver}, "the top": {".", driver},
		"no modules": {"drivers/misc", map[string]string{"Makefile": "all:\n", "x.c": ""}},
	} {
		r := request(t, linux, c.module)
		r.Into = c.into
		if _, err := Make(context.Background(), r); !errors.As(err, new(*kbuild.SourceError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a tree or a module holds may lead anywhere: nothing of the host is read through it.
func TestStrangers(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.h")
	if err := os.WriteFile(secret, []byte("int secret;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := request(t, linux, with(driver, "main.c", "#include \""+secret+"\"\n#include \"../../../../../../.."+secret+"\"\n#include \"link.h\"\n"))
	for _, dir := range []string{r.Source.Top, r.Linux + "/include/linux"} {
		if err := os.Symlink(secret, filepath.Join(dir, "link.h")); err != nil {
			t.Fatal(err)
		}
	}
	s := shapeOf(t, r)
	for _, p := range s.Patches {
		if strings.Contains(p.Text, "int secret") {
			t.Error("it went into a patch")
		}
	}
}

func TestCheck(t *testing.T) {
	r := request(t, linux, driver)
	s := shapeOf(t, r)
	got, err := Check(context.Background(), s, kernels.Root{}, r.Linux, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Findings) != 1 || got.Findings[0] != (results.Finding{Where: "MAINTAINERS:1", Level: results.LevelWarning, Kind: "A_TYPE", Message: "about it"}) {
		t.Errorf("%+v", got.Findings)
	}
	if len(got.Maintainers) != 1 || !strings.HasPrefix(got.Maintainers[0], "A Maintainer <m@example.org>") {
		t.Error(got.Maintainers)
	}
	if err := os.WriteFile(filepath.Join(r.Linux, "scripts/checkpatch.pl"), []byte("die 'broken'; # 255\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(context.Background(), s, kernels.Root{}, r.Linux, t.TempDir()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Error("a broken script was taken for a result:", err)
	}
}
