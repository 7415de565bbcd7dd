package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// Each letter is what an attempt comes to: P passes, F fails, f fails to build, E dies of ours, T ends late, M was interrupted.
func cameTo(letter byte) results.Record {
	return map[byte]results.Record{
		'P': {Status: results.Pass},
		'F': {Status: results.Fail, Stage: results.StageTest, Code: results.CodeSpecFailed, Reason: "one is two"},
		'f': {Status: results.Fail, Stage: results.StageBuild, Code: results.CodeBuildError, Reason: "no"},
		'E': {Status: results.Error, Stage: results.StageTest, Code: results.CodeInfra, Reason: "QEMU ended"},
		'T': {Status: results.Error, Stage: results.StageShutdown, Code: results.CodeTimeout, Reason: "no end"},
		'M': {Status: results.Miss, Stage: results.StageTest, Code: results.CodeInterrupted, Reason: "interrupted"},
	}[letter]
}

func TestAttemptsAddUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		spec   Spec
		world  string // what the attempts would come to
		want   string // status, number of attempts
		flaky  bool
		reason string
		notes  string
	}{
		{"a pass is a pass", Spec{Retries: 3}, "PF", "PASS 1", false, "", ""},
		{"a failure is final where nobody asked for more", Spec{}, "FP", "FAIL 1", false, "one is two", ""},
		{"what broke is run once more", Spec{}, "EPP", "PASS 2", false, "", "attempt 1 was an infrastructure error, so the cell was run again: QEMU ended"},
		{"and only once", Spec{}, "EEP", "ERROR 2", false, "QEMU ended", "attempt 1 was an infra"},
		{"it may turn out to fail", Spec{}, "EFP", "FAIL 2", false, "one is two", "attempt 1 was an infra"},
		{"a late end is nobody's accident", Spec{}, "TP", "ERROR 1", false, "no end", ""},
		{"a failure that passes is flaky", Spec{Retries: 1}, "FP", "FAIL 2", true, "flaky: failed 1 of 2 attempts: one is two", "1 FAIL 1 PASS"},
		{"and not asked again", Spec{Retries: 5}, "FFPF", "FAIL 3", true, "flaky: failed 2 of 3 attempts: one is two", ""},
		{"one that never passes is not", Spec{Retries: 2}, "FFFP", "FAIL 3", false, "one is two", ""},
		{"what broke counts in neither", Spec{Retries: 1}, "EFP", "FAIL 3", true, "flaky: failed 1 of 2 attempts", "attempt 1 was an infra"},
		{"nor in between", Spec{Retries: 1}, "FEPP", "FAIL 3", true, "flaky: failed 1 of 2 attempts", "attempt 2 was an infra"},
		{"a compiler says the same again", Spec{Retries: 3}, "fP", "FAIL 1", false, "no", ""},
		{"a count shows every end", Spec{Count: 4}, "PEPPP", "ERROR 4", false, "QEMU ended", "of 4 guests 1 ERROR 3 PASS"},
		{"and what is flaky", Spec{Count: 3}, "PPFP", "FAIL 3", true, "flaky: failed 1 of 3 attempts", "1 FAIL 2 PASS"},
		{"a build has no guests to count", Spec{Count: 3, BuildOnly: true}, "PPP", "PASS 1", false, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tries attempts
			for more := true; more; more = tries.again(c.spec) {
				rec := cameTo(c.world[len(tries)])
				rec.Attempts = 1
				tries = append(tries, rec)
			}
			rec := tries.sum(c.spec)
			if got := fmt.Sprintf("%s %d", rec.Status, rec.Attempts); got != c.want || rec.Flaky != c.flaky {
				t.Errorf("got %s, flaky %v; want %s, %v", got, rec.Flaky, c.want, c.flaky)
			}
			if !strings.HasPrefix(rec.Reason, c.reason) || c.reason == "" && rec.Reason != "" {
				t.Errorf("reason %q, want %q", rec.Reason, c.reason)
			}
			if notes := strings.Join(rec.Notes, "\n"); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" && !c.flaky {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
			if n := len(rec.Tries); rec.Attempts > 1 && n != rec.Attempts || rec.Attempts == 1 && n != 0 {
				t.Errorf("%d tries of %d", n, rec.Attempts)
			}
		})
	}
}

// Whoever interrupts a run does not wait for the attempts that are left.
func TestNoAttemptAfterAnInterrupt(t *testing.T) {
	f := newFixture(t, "call fail-second "+filepath.Join(t.TempDir(), "never")+"\npoweroff\n")
	f.spec.Kernels, f.spec.Retries = Selectors("debian:old"), 5
	ctx, cancel := context.WithCancel(t.Context())
	guests := 0
	f.judge = func(e judge.Evidence) results.Record {
		rec := judge.Judge(e)
		if e.Guest != nil && !e.Interrupted {
			if rec.Status = results.Fail; guests == 1 {
				cancel()
			}
			guests++
		}
		return rec
	}
	if _, err := f.run(t, ctx); !errors.Is(err, context.Canceled) || guests != 2 {
		t.Errorf("%d guests, %v", guests, err)
	}
}

// The guest dies in the first attempt and passes in the second: the cell passes, and says what happened on the way.
func TestAGuestThatDiesIsStartedAgain(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "tried")
	if err := os.WriteFile(marker, []byte("."), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, "call fail-second "+marker+"\npoweroff\n")
	f.spec.Kernels = Selectors("debian:old")
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := res.Records[0]
	if rec.Status != results.Pass || rec.Attempts != 2 || !strings.Contains(strings.Join(rec.Notes, " "), "no more") {
		t.Errorf("%+v", rec)
	}
	if !strings.Contains(f.notices(), "trying again") {
		t.Errorf("the notice is missing: %q", f.notices())
	}
	for _, try := range rec.Tries {
		if _, err := os.Stat(filepath.Join(f.spec.Out, try.Artifacts.Console)); err != nil || try.Artifacts.Console == "" {
			t.Errorf("its console is not kept: %+v, %v", try, err)
		}
	}
}

// What failed once is not remembered as a pass, however often it passed afterwards.
func TestAFlakyCellIsNeverCached(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "tried")
	f := newFixture(t, "[share=on] call ready\n[-incoming] call fail-first "+marker+"\n[-incoming] poweroff\n")
	f.withChannels(t)
	f.spec.Retries = 2
	for range 2 {
		if err := os.RemoveAll(marker); err != nil {
			t.Fatal(err)
		}
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec := res.Records[0]
		if rec.Status != results.Fail || !rec.Flaky || rec.Cached || rec.Attempts != 2 || res.ExitCode() != results.ExitFail {
			t.Errorf("%+v", rec)
		}
	}
}
