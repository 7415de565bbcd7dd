package harness

import (
	"strings"
	"syscall"
	"testing"

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
	rec := Judge(Evidence{Lacking: "this kernel has no gpio-sim (guest.modules)"})
	if rec.Status != results.Skip || rec.Code != results.CodeConfigMissing || rec.Reason != "this kernel has no gpio-sim (guest.modules)" {
		t.Errorf("%+v", rec)
	}
}

func TestNoHardware(t *testing.T) {
	for errno, said := range map[syscall.Errno]bool{syscall.ENODEV: true, syscall.EINVAL: false, syscall.ENOENT: false, 0: false} {
		if got := noHardware(errno); (got != "") != said || said && !strings.Contains(got, "[guest] devices") {
			t.Errorf("%v: %q", errno, got)
		}
	}
}

func TestFailedProbes(t *testing.T) {
	log := "[    1.0] edu: probe of 0000:00:02.0 failed with error -5\r\n[    1.1] edu 0000:00:02.0: probe with driver edu failed with error -12\n" +
		"[    1.2] say: probe of hearts failed with error 5\n[    1.3] a: edu: probe of x failed with error -5\nedu: probe of x failed with error -5\n"
	got := failedProbes([]byte(log))
	if len(got) != 2 || got[0].text != "edu: probe of 0000:00:02.0 failed with error -5" || got[0].start != 0 ||
		got[1].text != "edu 0000:00:02.0: probe with driver edu failed with error -12" || log[got[1].start:][:12] != "[    1.1] ed" {
		t.Errorf("%+v", got)
	}
}
