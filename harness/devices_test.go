package harness

import (
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// What is asked of another machine is another question; one that asks for nothing more is the same as ever.
func TestDigestOfStandIns(t *testing.T) {
	digest := func(s Spec) string { return (&Plan{Spec: s}).Digest() }
	seen := map[string]bool{}
	for _, s := range []Spec{{}, {Devices: []string{"edu"}}, {Modules: []string{"edu"}}, {Devices: []string{"edu", "edu"}}} {
		if seen[digest(s)] {
			t.Errorf("%+v has the digest of another", s)
		}
		seen[digest(s)] = true
	}
	if digest(Spec{Jobs: 3}) != digest(Spec{}) {
		t.Error("the digest depends on what is none of the question")
	}
}

func TestKernelWithoutAStandInIsSkipped(t *testing.T) {
	rec := judge.Judge(judge.Evidence{Lacking: "this kernel has no gpio-sim (guest.modules)"})
	if rec.Status != results.Skip || rec.Code != results.CodeConfigMissing || rec.Reason != "this kernel has no gpio-sim (guest.modules)" {
		t.Errorf("%+v", rec)
	}
}
