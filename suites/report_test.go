package suites_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

func TestStream(t *testing.T) {
	for _, c := range []struct {
		name, fixture string
		env, args     []string
		want          string
		good          bool
	}{
		{"before suite fails", "before-suite-fails", nil, nil, `
suite-error "BeforeSuite" failed no such device
`, false},
		{"before suite skips", "before-suite-skips", nil, nil, `
spec-end "is skipped with its suite" skipped BeforeSuite: needs a sound card
`, true},
		{"abort", "aborts", nil, nil, `
spec-start "aborting runs first"
spec-end "aborting runs first" passed
spec-start "aborting aborts"
spec-end "aborting aborts" aborted the bus is gone
`, false},
		{"expected splats", "expects", nil, nil, `
spec-start "expecting warns"
expect "expecting warns" × 1 WARNING in fifo_(claim|free)
spec-end "expecting warns" passed
spec-start "expecting warns twice"
expect "expecting warns twice" × 2 WARNING
spec-end "expecting warns twice" passed
spec-start "expecting does so before"
expect "expecting does so before" × 1 BUG: KASAN
spec-end "expecting does so before" passed
spec-start "expecting has no pattern"
spec-end "expecting has no pattern" failed ExpectSplat: the pattern is empty, and would match every fault
spec-start "expecting has a bad pattern"
spec-end "expecting has a bad pattern" failed ExpectSplat: error parsing regexp: missing closing ): ` + "`WARNING (`" + `
spec-start "expecting has no count"
spec-end "expecting has no count" failed ExpectSplat: count is [0], want one number from 1 on
spec-start "expecting has two counts"
spec-end "expecting has two counts" failed ExpectSplat: count is [1 2], want one number from 1 on
`, false},
		{"a splat expected outside of specs", "expects", []string{"SUITES_TEST_EARLY=1"}, nil, `
suite-error "BeforeSuite" failed ExpectSplat: no spec is running: call it in an It, or in a BeforeEach around it
`, false},
		{"report node fails", "report-node-fails", nil, nil, `
spec-start "passes by itself"
spec-end "passes by itself" passed
suite-error "ReportAfterEach passes by itself" failed cannot write the trace
`, false},
		{"killed", "dies", []string{"SUITES_TEST_DEATH=kill"}, nil, `
spec-start "dying passes before"
spec-end "dying passes before" passed
spec-start "dying takes the process down"
`, false},
		{"exits as if all were well", "dies", []string{"SUITES_TEST_DEATH=exit"}, nil, `
spec-start "dying passes before"
spec-end "dying passes before" passed
spec-start "dying takes the process down"
`, true}, // which is why the exit code alone proves nothing
		{"out of focus", "dies", nil, []string{"--ginkgo.focus=passes"}, `
spec-start "dying passes before"
spec-end "dying passes before" passed
spec-end "dying takes the process down" skipped not chosen: its name does not match the focus passes
spec-end "dying never starts" skipped not chosen: its name does not match the focus passes
`, true},
		{"hangs until terminated", "hangs", nil, []string{"--ginkgo.grace-period=1s"}, `
spec-start "hanging waits for ever"
spec-end "hanging waits for ever" interrupted Interrupted by User
suite-error "Suite" failed Interrupted by User
`, false},
		{"dry run", "ordinary", nil, []string{"--ginkgo.dry-run"}, "\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames, good := run(t, c.fixture, c.env, c.args...)
			if got := summary(frames); got != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, c.want)
			}
			if good != c.good {
				t.Errorf("ended well: %v, want %v", good, c.good)
			}
		})
	}
}

func TestStreamOrdinary(t *testing.T) {
	frames, good := run(t, "ordinary", nil, "--ginkgo.sem-ver-filter=6.1.176, kernel=6.1.176", "--ginkgo.label-filter=arch: isSubsetOf x86_64")
	const want = `spec-start "ordinary passes"
spec-end "ordinary passes" passed
spec-start "ordinary fails"
spec-end "ordinary fails" failed Expected
spec-start "ordinary panics"
spec-end "ordinary panics" panicked Test Panicked
spec-start "ordinary is skipped by hand"
spec-end "ordinary is skipped by hand" skipped needs a camera
spec-end "ordinary is pending" pending
spec-end "ordinary is for newer kernels" skipped not for this kernel: for >= 6.12.0, and this is 6.1.176
spec-start "ordinary is for older kernels"
spec-end "ordinary is for older kernels" passed
spec-end "ordinary is for newer components" skipped not for this kernel: for > 7, and this is 6.1.176
spec-end "ordinary is for another machine" skipped not for this target: its labels are arch:aarch64, and the filter asks for arch: isSubsetOf x86_64
spec-start "ordinary passes at the third try"
spec-end "ordinary passes at the third try" passed
spec-start "ordinary fails in its cleanup too"
spec-end "ordinary fails in its cleanup too" failed first
spec-start "ordinary says too much"
spec-end "ordinary says too much" failed xxxxx`
	if got := summary(frames); !strings.HasPrefix(got, want) || good {
		t.Errorf("ended well: %v, got\n%s\nwant\n%s", good, got, want)
	}
	ends := map[string]wire.Spec{}
	for _, f := range frames {
		if f.Kind == wire.KindSpecEnd {
			ends[f.Spec.Name] = *f.Spec
		}
	}
	if got := ends["ordinary passes"].Output; got != "seen by the report" {
		t.Errorf("captured output is %q", got)
	}
	if got := ends["ordinary passes at the third try"].Attempts; got != 3 {
		t.Errorf("took %d attempts, want 3", got)
	}
	if got := ends["ordinary panics"].Message; !strings.Contains(got, "went wrong") {
		t.Errorf("message of a panic is %q", got)
	}
	if got := ends["ordinary fails in its cleanup too"].Message; !strings.Contains(got, "and then failed: second") {
		t.Errorf("message of two failures is %q", got)
	}
	if got := ends["ordinary fails"].Location; filepath.Base(strings.Split(got, ":")[0]) != "fixture_test.go" {
		t.Errorf("location of a failure is %q", got)
	}
	if got := len(ends["ordinary says too much"].Message); got > 64<<10 {
		t.Errorf("message of %d bytes", got)
	}
}

func TestStreamNamesTheLineThatHung(t *testing.T) {
	frames, _ := run(t, "hangs", nil, "--ginkgo.grace-period=1s")
	if len(frames) < 2 || !strings.Contains(frames[1].Spec.Message, "fixture_test.go:") {
		t.Errorf("no line in\n%+v", frames)
	}
}

func TestNothingWithoutPipes(t *testing.T) {
	for fixture, focus := range map[string]string{"ordinary": "ordinary passes$", "expects": "expecting warns$"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFixture$", "--ginkgo.no-color", "--ginkgo.focus="+focus)
		cmd.Env = append(os.Environ(), envFixture+"="+fixture)
		output, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(output), "report to PID 1") {
			t.Errorf("%s: %v: %s", fixture, err, output)
		}
	}
}
