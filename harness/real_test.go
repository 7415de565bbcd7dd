package harness_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// The tests below build for real kernels and boot them. They need the network once, and minutes; `make real` runs them.
const realEnv = "MODMATRIX_REAL"

// realKernels are the smallest that still are stock: an old and a new one, built in different roots.
var realKernels = harness.Selectors("debian:bookworm/cloud-amd64", "debian:trixie/cloud-amd64")

const (
	exampleDriver = "../suites/example/driver"
	exampleSuite  = "../suites/example/driver/suites/fifo"
)

func needReal(t *testing.T) {
	t.Helper()
	if os.Getenv(realEnv) == "" {
		t.Skip("boots real kernels: set " + realEnv + "=1, or make real")
	}
}

// runReal runs spec and returns its records, in the order of the matrix.
func runReal(t *testing.T, ctx context.Context, spec harness.Spec) *results.Results {
	t.Helper()
	return runRealWith(t, ctx, spec, harness.Fakes{})
}

// runRealWith is runReal where something of this machine is not its own.
func runRealWith(t *testing.T, ctx context.Context, spec harness.Spec, fakes harness.Fakes) *results.Results {
	t.Helper()
	h, err := harness.New(harness.Options{Tool: "modmatrix test", Fakes: fakes, Events: func(e results.Event) {
		if e.Kind == results.EventStage && e.State != results.StateProgress || e.Kind == results.EventNotice {
			t.Log(e.Target, e.Suite, e.Stage, e.State, e.Elapsed.Round(time.Millisecond), e.Text)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	spec.NoCache = true
	if spec.Out == "" {
		spec.Out = t.TempDir()
	}
	plan, err := h.Plan(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	res, err := h.Run(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// mutated is a copy of a driver in which old is replaced by new, once.
func mutated(t *testing.T, driver, file, old, new string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.Base(driver))
	if err := os.CopyFS(dir, os.DirFS(driver)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), old); n != 1 {
		t.Fatalf("the driver has %q %d times, not once", old, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRealExampleDriver(t *testing.T) {
	needReal(t)
	t.Parallel()
	res := runReal(t, t.Context(), harness.Spec{Module: exampleDriver, Kernels: realKernels,
		Suites: []string{harness.Lifecycle, exampleSuite}})
	if len(res.Records) != 4 {
		t.Fatalf("%d records, want 4", len(res.Records))
	}
	for _, rec := range res.Records {
		if rec.Status != results.Pass {
			t.Errorf("%s %s: %s@%s %s: %s", rec.Target.Release, rec.Suite, rec.Status, rec.Stage, rec.Code, rec.Reason)
		}
		if len(rec.Specs) < 9 {
			t.Errorf("%s %s: only %d specs", rec.Target.Release, rec.Suite, len(rec.Specs))
		}
	}
}

// want is what a record must say; Reason by a part of it.
type want struct {
	status results.Status
	stage  results.Stage
	code   results.Code
	reason string
}

var mutations = []struct {
	name     string
	old, new string
	suite    string
	want     [2]want // on the older and on the newer kernel
}{
	{
		name: "a call that the newer kernel no longer has",
		old:  "\tint ret;\n\n\tif (capacity <", new: "\tint ret;\n\tchar name[8];\n\n\tstrlcpy(name, \"fifo\", sizeof(name));\n\tif (capacity <",
		suite: harness.Lifecycle,
		// Linux commit d26270061ae6 ("string: Remove strlcpy()"), since v6.8.
		want: [2]want{{status: results.Pass}, {results.Fail, results.StageBuild, results.CodeBuildError, "strlcpy"}},
	},
	{
		name: "init returns -EINVAL",
		old:  "\tint ret;\n\n\tif (capacity <", new: "\tint ret;\n\n\tpr_err(\"no such luck\\n\");\n\tif (capacity)\n\t\treturn -EINVAL;\n\tif (capacity <",
		suite: harness.Lifecycle,
		want: [2]want{
			{results.Fail, results.StageLoad, results.CodeLoadRefused, "no such luck"},
			{results.Fail, results.StageLoad, results.CodeLoadRefused, "EINVAL"}},
	},
	{
		name:  "one byte is wrong",
		old:   "\trecord = vmemdup_user(from, len);\n\tif (IS_ERR(record))\n\t\treturn PTR_ERR(record);\n",
		new:   "\trecord = vmemdup_user(from, len);\n\tif (IS_ERR(record))\n\t\treturn PTR_ERR(record);\n\trecord[0] ^= 1;\n",
		suite: exampleSuite,
		want: [2]want{
			{results.Fail, results.StageTest, results.CodeSpecFailed, "_test.go:"},
			{results.Fail, results.StageTest, results.CodeSpecFailed, "_test.go:"}},
	},
	{
		name: "init dereferences NULL",
		old:  "\tint ret;\n\n\tif (capacity <", new: "\tint ret;\n\n\tWRITE_ONCE(*(int *)NULL, 1);\n\tif (capacity <",
		suite: harness.Lifecycle,
		want: [2]want{
			{results.Fail, results.StageLoad, results.CodeOops, "fifo_init"},
			{results.Fail, results.StageLoad, results.CodeOops, "fifo_init"}},
	},
	{
		name: "exit warns",
		old:  "\tmisc_deregister(&fifo_device);\n\tkfifo_free", new: "\tWARN_ON(1);\n\tmisc_deregister(&fifo_device);\n\tkfifo_free",
		suite: exampleSuite,
		want: [2]want{
			{results.Fail, "", results.CodeWarn, "fifo_exit"},
			{results.Fail, "", results.CodeWarn, "fifo_exit"}},
	},
}

func TestRealMutations(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			res := runReal(t, t.Context(), harness.Spec{Module: mutated(t, exampleDriver, "fifo.c", m.old, m.new), Kernels: realKernels, Suites: []string{m.suite}})
			for i, rec := range res.Records {
				w := m.want[i]
				if rec.Status != w.status || rec.Code != w.code || w.stage != "" && rec.Stage != w.stage || !strings.Contains(rec.Reason, w.reason) {
					t.Errorf("%s: %s@%s %s: %s, want %+v", rec.Target.Release, rec.Status, rec.Stage, rec.Code, rec.Reason, w)
				}
			}
			if got := res.ExitCode(); got != results.ExitFail {
				t.Errorf("exit code %d, want %d", got, results.ExitFail)
			}
		})
	}
}

// A run that is cut short returns every planned cell a record, and leaves no process and no work folder.
func TestRealInterrupt(t *testing.T) {
	needReal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shared, err := harness.New(harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODMATRIX_SHARED", shared.Store().Dir()) // its kernels; what lies in its work folder may be another run's
	h, err := harness.New(harness.Options{CacheDir: t.TempDir(), Events: func(e results.Event) {
		if e.Stage == results.StageTest && e.State == results.StateStart { // of the first guest: none has come to its end
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := h.Plan(ctx, harness.Spec{Module: exampleDriver, Kernels: realKernels, Suites: []string{harness.Lifecycle}, Out: t.TempDir(), NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.Run(ctx, plan)
	if err != context.Canceled {
		t.Fatalf("error %v, want the context's", err)
	}
	if len(res.Records) != len(plan.Cells()) {
		t.Errorf("%d records for %d cells", len(res.Records), len(plan.Cells()))
	}
	for _, rec := range res.Records {
		if rec.Status == results.Pass || rec.Code != results.CodeInterrupted {
			t.Errorf("%s: %s %s", rec.Target.Release, rec.Status, rec.Code)
		}
	}
	left, _ := filepath.Glob(filepath.Join(h.Store().Dir(), "work", "*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
