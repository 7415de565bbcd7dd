package source

import (
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results/arch"
)

// pcBase is the digest of the base as it is for PCs: every kernel that was compiled is kept by it.
const pcBase = "ac335aa2f7ee286f5a579396c865d03a10a915e396060492f41df09df307cc32"

// TestBaseOfEachMachine holds that other machines' lines are not among a PC's, and that each has what its guests need.
func TestBaseOfEachMachine(t *testing.T) {
	for _, a := range arch.All() {
		r, err := New(nil, nil).fragments(nil, a)
		if err != nil {
			t.Fatal(err)
		}
		text := r.String()
		if a.Debian == "amd64" && store.Digest(text) != pcBase {
			t.Errorf("the base for amd64 is %s: kernels that were compiled would be compiled again", store.Digest(text))
		}
		have := func(symbol string) bool {
			return slices.ContainsFunc(r.wanted, func(s setting) bool { return s.symbol == symbol && s.value == "y" })
		}
		for _, symbol := range a.Kernel.Needs {
			if !have(symbol) {
				t.Errorf("%s: a guest needs CONFIG_%s, which its base does not ask for", a.Debian, symbol)
			}
		}
		if pc := a.Kbuild == "x86"; have("ACPI") != pc || strings.Contains(text, "PL011") != strings.HasPrefix(a.Kbuild, "arm") {
			t.Errorf("%s:\n%s", a.Debian, text)
		}
	}
}

func TestLinesOfOneMachine(t *testing.T) {
	text := "# on arm64 s390x: both\nCONFIG_A=y\n# CONFIG_B is not set\n# optional: on armhf: one\nCONFIG_C=y\n\nCONFIG_D=y\n# on top of it\nCONFIG_E=y\n"
	for name, want := range map[string]string{"arm64": "A=y B=n D=y E=y", "armhf": "C=y? D=y E=y", "amd64": "D=y E=y"} {
		a, _ := arch.Named(name)
		f, err := parseFragment("x", text, a)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range f.lines {
			word := l.symbol + "=" + l.value
			if l.optional {
				word += "?"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLinesOfNoMachine(t *testing.T) {
	if _, err := parseFragment("x", "# on arm46: a slip\nCONFIG_A=y\n", arch.Host()); err == nil || !strings.Contains(err.Error(), "arm46 is no architecture; they are amd64 ") {
		t.Error(err)
	}
}
