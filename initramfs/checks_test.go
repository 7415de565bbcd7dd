package initramfs

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

// whole checks what every guest owes that came to its end: no frame lost, nothing forged, an end frame last.
func (b booted) check(t *testing.T) {
	t.Helper()
	if b.end != io.EOF || b.garbage != 0 {
		t.Errorf("the stream ended with %v and had %d bytes of garbage", b.end, b.garbage)
	}
	for i, f := range b.frames {
		if f.Seq != uint64(i+1) || f.Nonce != "n0nce" {
			t.Errorf("frame %d: number %d, nonce %q", i, f.Seq, f.Nonce)
		}
	}
	if len(b.frames) == 0 || b.frames[len(b.frames)-1].Kind != wire.KindEnd && b.frames[len(b.frames)-1].Kind != wire.KindHeartbeat {
		t.Error("no end frame")
	}
	if n := len(b.of(wire.KindEnd)); n != 1 {
		t.Errorf("%d end frames", n)
	}
	t.Logf("hello after %v, all of it %v", b.hello, b.whole)
}

func checkSpecs(t *testing.T, b booted) {
	t.Helper()
	plan := b.of(wire.KindPlan)
	if len(plan) != 1 {
		t.Fatalf("%d plans", len(plan))
	}
	var planned, ended []string
	for _, s := range plan[0].Specs {
		planned = append(planned, s.Name+": "+s.State)
	}
	for _, f := range b.of(wire.KindSpecEnd) {
		ended = append(ended, f.Spec.Name+": "+f.Spec.State)
		if f.Spec.Name == "a spec fails" && f.Spec.Message != "as it should" {
			t.Errorf("failure message %q", f.Spec.Message)
		}
		if f.Spec.Name == "a spec is unreported" && f.Spec.Output != "captured\n" {
			t.Errorf("output of a spec %q", f.Spec.Output)
		}
	}
	wantPlanned := []string{"a spec passes: ", "a spec fails: ", "a spec is unreported: ", "a spec skips itself: ", "a spec is pending: pending",
		"a spec panics: ", "a spec is for another machine: skipped", "a spec is for this machine and another: ",
		"a spec is for later kernels: skipped", "a spec is for kernels of old and later: ", "a spec expects a splat: ", "a spec leaves a process behind: ",
		"hanging never ends: skipped", "crashing first floods: skipped", "crashing then takes the kernel down: skipped"}
	if groups := plan[0].Specs[len(plan[0].Specs)-2:]; plan[0].Text != "boot" || groups[0].Group != "crashing" || groups[1].Group != "crashing" || plan[0].Specs[0].Group != "" {
		t.Errorf("the plan of %q has the groups %+v", plan[0].Text, groups)
	}
	if f := b.of(wire.KindExpect); len(f) != 1 || f[0].Spec.Name != "a spec expects a splat" || f[0].Text != "WARNING in nobody" || f[0].Count != 2 {
		t.Errorf("expected splats: %v", f)
	}
	wantEnded := []string{"a spec passes: passed", "a spec fails: failed", "a spec skips itself: skipped", "a spec is pending: pending",
		"a spec panics: panicked", "a spec is for another machine: skipped", "a spec is for this machine and another: passed",
		"a spec is for later kernels: skipped", "a spec is for kernels of old and later: passed", "a spec expects a splat: passed", "a spec leaves a process behind: passed",
		"hanging never ends: skipped", "a spec is unreported: passed", "crashing first floods: skipped",
		"crashing then takes the kernel down: skipped"}
	for _, c := range []struct{ got, want []string }{{planned, wantPlanned}, {ended, wantEnded}} {
		slices.Sort(c.got)
		slices.Sort(c.want)
		if !slices.Equal(c.got, c.want) {
			t.Errorf("specs:\n%s\nwant:\n%s", strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// checkMarkers looks for the boundaries in the console, and for the line of a spec within its own.
func checkMarkers(t *testing.T, b booted) {
	t.Helper()
	var seen []string
	said := ""
	for line := range strings.Lines(b.console) {
		if m, ok := wire.ParseMarker(line, "n0nce"); ok {
			if m.Spec == 0 {
				seen = append(seen, fmt.Sprint(m.Stage, " ", m.Done))
			} else if m.Spec == 1 {
				seen = append(seen, fmt.Sprint(m.Name, " ", m.Done))
			}
		}
		if strings.Contains(line, "said within the first spec") && len(seen) > 0 {
			said = seen[len(seen)-1]
		}
	}
	want := []string{"load false", "load true", "test false", "a spec passes false", "a spec passes true", "test true", "unload false",
		"unload true", "shutdown false", "shutdown true"}
	if !slices.Equal(seen, want) || said != "a spec passes false" {
		t.Errorf("markers %q, the spec's own line behind %q", seen, said)
	}
}
