package harness

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

func TestDevicesOfFlagsWin(t *testing.T) {
	c := DefaultConfig()
	c.Guest.Devices, c.Guest.Modules = []string{"edu"}, []string{"gpio-sim"}
	for _, tt := range []struct{ flags, want string }{{"", "edu"}, {"e1000 VGA", "e1000 VGA"}} {
		s, err := c.Spec(Spec{Devices: strings.Fields(tt.flags)})
		if got := strings.Join(s.Devices, " "); err != nil || got != tt.want || len(s.Modules) != 1 {
			t.Errorf("%q: %q %q %v", tt.flags, got, s.Modules, err)
		}
	}
	_, err := c.Spec(Spec{Devices: []string{"isa-serial,chardev=qmp"}})
	if _, ok := err.(*UsageError); !ok || !strings.HasPrefix(err.Error(), `--device: device "isa-serial,chardev=qmp": the option chardev`) {
		t.Errorf("%T %v", err, err)
	}
}

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
