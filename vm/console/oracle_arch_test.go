package console

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// oracleArchs say of which architecture a recorded console is, by words that only its kernel prints; the first that fits
// decides, and what none fits is x86_64.
var oracleArchs = []struct {
	name string
	re   *regexp.Regexp
}{
	{"riscv64", regexp.MustCompile(`\bepc : `)},
	{"s390x", regexp.MustCompile(`\bKrnl (?:PSW|GPRS|Code)`)},
	{"ppc64le", regexp.MustCompile(`\bNIP \[|\bNIP: `)},
	{"arm64", regexp.MustCompile(`\b(?:el[01]_sync|el[01]_svc|el0t_64_sync|el0_svc\w*|__arm64_sys_\w+|el1h?_64_\w+|el1_irq|__(?:switch_to|dabt)_el1)\b|\bx29: [0-9a-f]{16}|\bpstate *: [0-9a-f]`)},
	{"arm", regexp.MustCompile(`\bPC is at |\] SMP ARM\b|\bret_fast_syscall\+`)},
	{"i386", regexp.MustCompile(`\bEIP: (?:0060:)?[\w.]+\+0x|\bEIP: 0060:`)},
}

func oracleArch(log []byte) string {
	for _, a := range oracleArchs {
		if a.re.Match(log) {
			return a.name
		}
	}
	return "x86_64"
}

// archRates count how often the oracle and Scan agree, for each architecture.
type archRates map[string]*archRate

type archRate struct {
	consoles, faults, kinds, positives, functions, named int
}

// add counts a console in whose kind both agree or not; splat is the zero value where no fault was found.
func (rates archRates) add(rec recorded, splat Splat, fault, kind bool) {
	arch := oracleArch(rec.log)
	if rates[arch] == nil {
		rates[arch] = &archRate{}
	}
	r := rates[arch]
	r.consoles++
	r.faults += count(fault)
	if rec.title == "" {
		return
	}
	r.positives++
	r.kinds += count(kind)
	if _, function, ok := strings.Cut(rec.title, " in "); ok {
		r.named++
		r.functions += count(strings.Contains(" "+splat.Function+" ", " "+function+" "))
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// check holds the thresholds of agreement for each architecture that has a console.
func (rates archRates) check(t *testing.T) {
	for _, arch := range []string{"x86_64", "arm64", "arm", "i386", "riscv64", "ppc64le", "s390x"} {
		r := rates[arch]
		if r == nil {
			t.Logf("%-8s no console", arch)
			continue
		}
		line := fmt.Sprintf("%-8s fault %d/%d, kind %d/%d, function %d/%d", arch, r.faults, r.consoles, r.kinds, r.positives, r.functions, r.named)
		t.Log(line)
		if ratio := float64(r.kinds) / float64(max(1, r.positives)); r.positives-r.kinds > 1 && ratio < minKind {
			t.Errorf("%s: agreement on kinds is %.3f, want at least %.2f, or all but one", line, ratio, minKind)
		}
	}
}
