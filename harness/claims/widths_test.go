package claims

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// That a module is for 64 bits only is proposed where it was measured on both sides, and on nothing less.
func TestOnly64BitsIsClaimedByEvidence(t *testing.T) {
	for tried, want := range map[string]bool{
		"x86_64=PASS armv7l=FAIL":                          true,
		"x86_64=PASS aarch64=PASS armv7l=FAIL i686=FAIL":   true,
		"x86_64=PASS armv7l=SKIP":                          false, // nobody looked
		"x86_64=PASS armv7l=ERROR":                         false,
		"x86_64=PASS armv7l=FAIL i686=PASS":                false, // it is not the width
		"x86_64=PASS aarch64=FAIL armv7l=FAIL":             false, // nor here
		"x86_64=FAIL armv7l=FAIL":                          false,
		"armv7l=FAIL":                                      false,
		"x86_64=PASS x86_64=FAIL armv7l=FAIL vax=PASS":     true, // one of its kernels is a matter of versions
		"x86_64=PASS s390x=PASS ppc64le=PASS riscv64=MISS": false,
	} {
		var records []results.Record
		for _, word := range strings.Fields(tried) {
			name, status, _ := strings.Cut(word, "=")
			records = append(records, results.Record{Target: results.Target{Release: "6.1-" + name, Version: "6.1.0", Arch: name}, Status: results.Status(status)})
		}
		var c results.Claims
		proposeWidth(&c, source{conf: []byte("PACKAGE_NAME=foo\n")}, records)
		if got := len(c.Proposed) == 1; got != want {
			t.Errorf("%s: %+v", tried, c.Proposed)
		}
		if want && (!strings.Contains(c.Proposed[0].Good, "6.1-") || !strings.Contains(strings.Join(noticesOf(&c), "\n"), `BUILD_EXCLUSIVE_CONFIG="CONFIG_64BIT" would say what was measured: it passes on `+c.Proposed[0].Good+" and fails on 6.1-armv7l")) {
			t.Errorf("%s: %q", tried, noticesOf(&c))
		}
	}
	var c results.Claims
	if proposeWidth(&c, source{}, []results.Record{}); c.Proposed != nil {
		t.Error("without a dkms.conf there is no line for it")
	}
}
