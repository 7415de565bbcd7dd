package harness_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// byHand runs a shell's command on the driver in dir, as a person would who has the kernel's tools, and returns what it said.
func byHand(t *testing.T, ctx context.Context, tree *kernels.Tree, scripts kernels.Scripts, driver, command string) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := (kbuild.Source{Top: driver}).Copy(ctx, dir); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	box := kbuild.Sandbox{Tree: tree, Dir: dir, Mounts: []kernels.Mount{{Host: scripts.Dir, Guest: "/linux"}}}
	if _, err := box.Run(ctx, &out, "sh", "-c", command); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out.String())
	}
	return out.String()
}

// TestRealChecks plants faults for three tools in the example driver, and compares what is found with what the tools say by hand.
func TestRealChecks(t *testing.T) {
	needReal(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	const old = "static const struct file_operations"
	driver := mutated(t, exampleDriver, "fifo.c", old,
		"int  not_static;\nstatic const int unused = 3;\nstatic __le32 swapped(void)\n{\n        return 5;\n}\n"+old)
	spec := harness.Spec{Module: driver, Kernels: realKernels, Suites: []string{results.Checks}, BuildOnly: true}
	res := runReal(t, ctx, spec)
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	archive := debian.New(st, debian.Config{})
	for i, rec := range res.Records {
		found, err := archive.Resolve(ctx, realKernels[i])
		if err != nil {
			t.Fatal(err)
		}
		target := found.Targets[0]
		scripts, err := archive.Scripts(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := archive.Fetch(ctx, target, nil)
		if err == nil {
			tree, err = archive.WithPackages(ctx, tree, checks.Needs, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		specs := map[string]results.Spec{}
		for _, s := range rec.Specs {
			specs[s.Name] = s
			if s.Status == results.Error {
				t.Errorf("%s: %s: %s", target.Release, s.Name, s.Message)
			}
		}
		if len(specs) != len(checks.Names()) {
			t.Fatalf("%s: %d checks, not %d: %+v", target.Release, len(specs), len(checks.Names()), rec)
		}
		var errs, warnings, notes, files int
		said := byHand(t, ctx, tree, scripts, driver, "perl /linux/scripts/checkpatch.pl --root=/linux --strict --color=never -f fifo.c")
		sum := said[strings.LastIndex(said, "\ntotal: ")+1:]
		if _, err := fmt.Sscanf(sum, "total: %d errors, %d warnings, %d checks, %d lines", &errs, &warnings, &notes, &files); err != nil {
			t.Fatalf("checkpatch says %q: %v", said, err)
		}
		count := func(check string, level results.Level) int { return results.CountLevel(specs[check].Findings, level) }
		t.Logf("%s: by hand checkpatch %d errors, %d warnings, %d checks", target.Release, errs, warnings, notes)
		if e, w, n := count("checkpatch", results.LevelError), count("checkpatch", results.LevelWarning), count("checkpatch", results.LevelNote); e != errs || w != warnings || n != notes || errs+warnings == 0 {
			t.Errorf("%s: checkpatch has %d errors, %d warnings, %d notes; by hand %s", target.Release, e, w, n, sum)
		}
		compiler := regexp.MustCompile(`(?m)^(?:/build/)?fifo\.c:\d+:\d+: warning: .*$`)
		for check, variable := range map[string]string{"sparse": "C=1", "W=1": "W=1"} {
			want := 0
			for _, line := range compiler.FindAllString(byHand(t, ctx, tree, scripts, driver, "make -C "+tree.KDIR+" M=/build "+variable+" modules 2>&1"), -1) {
				if strings.HasSuffix(line, "]") == (check == "W=1") { // the option that made a warning of gcc's
					want++
				}
			}
			t.Logf("%s: by hand %s %d warnings", target.Release, check, want)
			if got := count(check, results.LevelWarning); got != want || want == 0 {
				t.Errorf("%s: %s has %d warnings, by hand %d: %+v", target.Release, check, got, want, specs[check].Findings)
			}
		}
		if rec.Code != results.CodeCheckFailed && errs > 0 {
			t.Errorf("%s: %s@%s %s with %d errors", target.Release, rec.Status, rec.Stage, rec.Code, errs)
		}
	}
}
