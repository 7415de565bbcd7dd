package explain

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

func TestEveryCodeHasARule(t *testing.T) {
	for _, code := range results.Codes {
		if got := rule(results.Record{Status: results.Fail, Code: code}); got == "" || strings.HasPrefix(got, "code ") {
			t.Errorf("%s: %q", code, got)
		}
	}
	if rule(results.Record{Status: results.Pass}) == "" {
		t.Error("a pass has no rule")
	}
}

const brokenLog = `make: Entering directory
  CC [M]  a.o
/build/src/probe.c:1:1: error: unknown type name 'other_t'
/build/src/a.c: In function 'f':
/build/src/a.c:7:9: error: implicit declaration of function 'strlcpy'; did you mean 'strscpy'? [-Werror]
    7 |         strlcpy(a, b, 3);
      |         ^~~~~~~
      |         strscpy
cc1: some warnings being treated as errors
`

func TestFirstError(t *testing.T) {
	for reason, want := range map[string]string{
		"a.c:7: implicit declaration of function 'strlcpy'; did you mean 'strscpy'? [-Werror]": "/build/src/a.c:7:9: error: implicit declaration of function 'strlcpy'; did you mean 'strscpy'? [-Werror]\n" +
			"    7 |         strlcpy(a, b, 3);\n      |         ^~~~~~~\n      |         strscpy",
		"something else": "/build/src/probe.c:1:1: error: unknown type name 'other_t'",
	} {
		if got := strings.Join(firstError(brokenLog, reason), "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", reason, got, want)
		}
	}
	const ours = "make: *** [scripts/Makefile.build:295: foo.o] Error 1\n/build/foo.c:3:1: error: it\nERROR: modpost: \"sym\" [foo.ko] undefined!\n# exit 2, build-error: foo.c:9: the reason, after 4.7 s\n"
	for reason, want := range map[string]string{
		"foo.c:9: the reason; EXTRA_CFLAGS is not read":                      "/build/foo.c:3:1: error: it", // never our own last line
		"foo.ko: undefined symbol sym (and 1 more); CONFIG_X would bring it": "ERROR: modpost: \"sym\" [foo.ko] undefined!",
	} {
		if got := strings.Join(firstError(ours, reason), "\n"); got != want {
			t.Errorf("%s: got %s", reason, got)
		}
	}
	if got := firstError("nothing here\n", "x"); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestChangedAt(t *testing.T) {
	for _, c := range []struct {
		older, newer, bound, says string
		known                     bool
	}{
		{"6.12.117", "6.13.2", "KERNEL_VERSION(6, 13, 0)", "between 6.12.117 and 6.13.2", true},
		{"6.19.11", "7.0~rc4", "KERNEL_VERSION(7, 0, 0)", "between", true},
		{"5.19.1", "6.0.2", "KERNEL_VERSION(6, 0, 0)", "between", true},
		{"7.2.12", "7.3.4", "KERNEL_VERSION(7, 3, 0)", "between", true},
		{"6.12.116", "6.12.117", "KERNEL_VERSION(6, 12, 117)", "in 6.12.117", true},
		{"5.10.259", "5.10.260", "KERNEL_VERSION(5, 10, 255)", "in 5.10.260", true},
		{"6.1.192", "6.12.117", "KERNEL_VERSION(?, ?, 0)", "somewhere between 6.1.192 and 6.12.117", false},
		{"6.12.117", "7.2.6", "KERNEL_VERSION(?, ?, 0)", "somewhere", false},
		{"6.19.1", "7.1.1", "KERNEL_VERSION(?, ?, 0)", "somewhere", false},
		{"6.12.43", "6.12.74", "KERNEL_VERSION(6, 12, ?)", "somewhere between 6.12.43 and 6.12.74", false},
		{"", "strange", "KERNEL_VERSION(0, 0, ?)", "somewhere", false},
	} {
		bound, says, known := changedAt(c.older, c.newer)
		if bound != c.bound || !strings.Contains(says, c.says) || known != c.known {
			t.Errorf("%s, %s: %s, %s, %v", c.older, c.newer, bound, says, known)
		}
	}
}

func TestGuard(t *testing.T) {
	decl := func(form, text string) *results.Decl {
		return &results.Decl{Form: form, Text: text, File: "include/linux/a.h", Line: 3}
	}
	gone := results.Change{Ident: results.Ident{Name: "f", Hint: "g"}, What: results.DeclRemoved, Old: decl("function", "int f(int) /* x */"), Telltale: "include/linux/a.h", Word: "f"}
	changed := results.Change{Ident: results.Ident{Name: "f"}, What: results.DeclChanged, Old: decl("function", "int f(int)"), New: decl("function", "int f(int, u8 b)"), Telltale: "include/linux/a.h", Word: "u8", WordNew: true}
	blind := changed
	blind.Telltale = ""
	const grepF = "# in Kbuild, instead of a version: ccflags-y += $(shell grep -qsw f $(srctree)/include/linux/a.h && echo -DHAVE_F)\n"
	const grepU8 = "# in Kbuild, instead of a version: ccflags-y += $(shell grep -qsw u8 $(srctree)/include/linux/a.h && echo -DHAVE_F_U8)\n"
	const nobody = "/* changed somewhere between 6.1.9 and 6.12.9; in which version is not known here */\n"
	for name, c := range map[string]struct {
		change    results.Change
		good, bad string
		want      string
	}{
		"gone at once": {gone, "7.2.9", "7.3.4", grepF + "#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0) /* changed between 7.2.9 and 7.3.4 */\n" +
			"\t/* 7.2.9: int f(int) /* x * / */\n#else\n\t/* 7.3.4: no f; the compiler thinks of g */\n#endif"},
		"gone in a gap": {gone, "6.1.9", "6.12.9", grepF + nobody + "#ifdef HAVE_F\n" +
			"\t/* 6.1.9: int f(int) /* x * / */\n#else\n\t/* 6.12.9: no f; the compiler thinks of g */\n#endif"},
		"not there yet": {gone, "6.12.9", "6.1.9", grepF + nobody + "#ifndef HAVE_F\n" +
			"\t/* 6.1.9: no f; the compiler thinks of g */\n#else\n\t/* 6.12.9: int f(int) /* x * / */\n#endif"},
		"changed in a gap": {changed, "6.1.9", "6.12.9", grepU8 + nobody + "#ifndef HAVE_F_U8\n" +
			"\t/* 6.1.9: int f(int) */\n#else\n\t/* 6.12.9: int f(int, u8 b) */\n#endif"},
		"changed before": {changed, "6.12.9", "6.1.9", grepU8 + nobody + "#ifdef HAVE_F_U8\n" +
			"\t/* 6.1.9: int f(int, u8 b) */\n#else\n\t/* 6.12.9: int f(int) */\n#endif"},
		"no probe in a gap": {blind, "6.1.9", "6.12.9", "#if LINUX_VERSION_CODE < KERNEL_VERSION(?, ?, 0) /* changed somewhere between 6.1.9 and 6.12.9; in which version is not known here */\n" +
			"\t/* 6.1.9: int f(int) */\n#else\n\t/* 6.12.9: int f(int, u8 b) */\n#endif"},
		"a header that moved": {results.Change{Ident: results.Ident{Name: "asm/unaligned.h", Kind: api.Header}, What: results.DeclMoved,
			Old: &results.Decl{Form: "header", File: "include/asm-generic/unaligned.h"}, New: &results.Decl{Form: "header", File: "include/linux/unaligned.h"}}, "6.1.9", "6.12.9",
			"#if __has_include(<linux/unaligned.h>) /* no version is needed */\n\t/* 6.12.9: #include <linux/unaligned.h> */\n#else\n\t/* 6.1.9: #include <asm/unaligned.h> */\n#endif"},
		"a macro":  {results.Change{Ident: results.Ident{Name: "M"}, What: results.DeclRemoved, Old: decl("macro", "define M 1")}, "6.1.9", "6.12.9", "#ifdef M /* a macro: no version is needed */"},
		"the same": {results.Change{Ident: results.Ident{Name: "f"}, What: results.DeclSame, Old: decl("function", "f"), New: decl("function", "f")}, "6.1.9", "6.12.9", ""},
		"unseen":   {results.Change{Ident: results.Ident{Name: "f"}, What: results.DeclUnseen}, "6.1.9", "6.12.9", ""},
	} {
		if got := strings.Join(guard([]results.Change{c.change}, c.good, c.bad), "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestProbeMacro(t *testing.T) {
	for _, c := range []struct {
		what  results.Difference
		word  string
		isNew bool
		want  string
	}{
		{results.DeclRemoved, "f", false, "HAVE_F"}, {results.DeclRemoved, "f.char", false, "HAVE_F"}, {results.DeclAdded, "f", true, "HAVE_F"},
		{results.DeclChanged, "u8", true, "HAVE_F_U8"}, {results.DeclChanged, "f.int..int", true, "HAVE_NEW_F"}, {results.DeclChanged, "f.int..int", false, "HAVE_OLD_F"},
	} {
		if got := probeMacro(results.Change{Ident: results.Ident{Name: "f"}, What: c.what, Word: c.word, WordNew: c.isNew}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestLastBuilt(t *testing.T) {
	rec := func(version, flavour string, s results.Status, stage results.Stage) results.Record {
		return results.Record{Target: results.Target{Release: version + "-" + flavour, Version: version, Flavour: flavour}, Status: s, Stage: stage}
	}
	records := []results.Record{rec("5.10", "amd64", results.Pass, ""), rec("6.1", "amd64", results.Fail, results.StageLoad), rec("6.6", "amd64", results.Error, results.StageBuild),
		rec("6.11", "cloud", results.Pass, ""), rec("6.12", "amd64", results.Fail, results.StageBuild), rec("7.2", "amd64", results.Miss, results.StageFetch), rec("7.3", "amd64", results.Pass, "")}
	for version, want := range map[string]string{"6.12": "6.1-amd64", "4.19": "5.10-amd64", "7.4": "7.3-amd64"} {
		got, ok := lastBuilt(records, results.Target{Version: version, Flavour: "amd64"})
		if !ok || got.Release != want {
			t.Errorf("%s: %s, want %s", version, got.Release, want)
		}
	}
	if got, _ := lastBuilt(records, results.Target{Version: "6.12", Flavour: "cloud"}); got.Release != "6.11-cloud" {
		t.Errorf("got %s", got.Release)
	}
	if got, ok := lastBuilt(records[6:], results.Target{Version: "7.2", Flavour: "amd64", Profile: "kasan"}); ok {
		t.Errorf("another profile: %s", got.Release)
	}
}

// emptyStore has no kernel.
type emptyStore struct{}

func (emptyStore) Resolve(context.Context, kernels.Selector) (kernels.Resolution, error) {
	return kernels.Resolution{}, kernels.ErrUnavailable
}

func (emptyStore) Fetch(context.Context, kernels.Target, func(kernels.Progress)) (*kernels.Tree, error) {
	return nil, kernels.ErrUnavailable
}

var stored = map[string]harness.Source{"debian": emptyStore{}}

// A cell is explained from its results and its log alone, and what is not known is said.
func TestExplainWithoutTrees(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "build.log"), []byte(brokenLog), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := results.Record{Target: results.Target{Release: "2.0-amd64", Version: "2.0", Source: "debian:offline"}, Suite: "a", Status: results.Fail, Stage: results.StageBuild,
		Code: results.CodeBuildError, Reason: "a.c:7: implicit declaration of function 'strlcpy'", Artifacts: results.Artifacts{BuildLog: "build.log"}}
	good := results.Record{Target: results.Target{Release: "1.0-amd64", Version: "1.0", Source: "debian:offline"}, Suite: "a", Status: results.Pass}
	cells := []results.Cell{{Target: "2.0-amd64", Suite: "a"}}
	for name, c := range map[string]struct {
		records []results.Record
		says    string
	}{
		"nothing to compare with": {[]results.Record{bad}, "no other kernel"},
		"not in the store":        {[]results.Record{good, bad}, "cannot be read"},
	} {
		all, err := Cells(t.Context(), stored, &results.Results{Records: c.records}, dir, cells)
		if err != nil || len(all) != 1 || all[0].Build == nil || !strings.Contains(all[0].Build.Unknown, c.says) || len(all[0].Build.Shown) == 0 || all[0].Look[0] != filepath.Join(dir, "build.log") {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	if _, err := Cells(t.Context(), stored, &results.Results{}, dir, cells); err == nil {
		t.Error("a cell that is not there was explained")
	}
}

// The kernel's own copy is explained beside the module's cell, and is no part of it.
func TestExplainBeside(t *testing.T) {
	target := results.Target{Release: "2.0-amd64", Version: "2.0", Source: "debian:offline"}
	theirs := results.Record{Target: target, Suite: "a", Status: results.Fail, Stage: results.StageLoad, Code: results.CodeOops, Artifacts: results.Artifacts{Console: "cells/x/in-tree/console.log"}}
	rec := results.Record{Target: target, Suite: "a", Status: results.Pass, InTreeRun: &results.InTreeRun{Modules: []string{"m"}, Record: theirs}}
	all, err := Cells(t.Context(), stored, &results.Results{Records: []results.Record{rec}}, "out", []results.Cell{{Target: "2.0-amd64", Suite: "a"}})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	e := all[0]
	if e.Rule != rule(results.Record{Status: results.Pass}) || e.InTree == nil || e.InTree.Rule != rule(theirs) || e.InTree.Look[0] != "out/cells/x/in-tree/console.log" {
		t.Errorf("%+v beside %+v", e, e.InTree)
	}
}
