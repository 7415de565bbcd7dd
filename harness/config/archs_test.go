package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// other is an architecture that is not this machine's.
func other() arch.Arch {
	all := arch.All()
	return all[slices.IndexFunc(all, func(a arch.Arch) bool { return a.Name != arch.Host().Name })]
}

func TestArchs(t *testing.T) {
	for given, want := range map[string]string{
		"":                  "",
		"arm64":             "arm64",
		"s390x arm64 arm64": "arm64 s390x", // in the order of the rows, each once
		"all":               strings.Join(arch.Names(), " "),
		"all arm64":         strings.Join(arch.Names(), " "),
		"arm46":             `unknown architecture "arm46" — did you mean "arm64"?`,
		"x86_64":            `unknown architecture "x86_64" — did you mean "amd64"?`,
		"ppc64le":           `unknown architecture "ppc64le" — did you mean "ppc64el"?`,
		"sparc":             `unknown architecture "sparc"; known are ` + strings.Join(arch.Names(), ", ") + " and all",
		"arm64 vax":         `unknown architecture "vax"; known are ` + strings.Join(arch.Names(), ", ") + " and all",
	} {
		names, err := Archs(strings.Fields(given))
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", given, got, want)
		}
	}
}

// Each selector that names no architecture is one for each that is asked for; those that name one, or a kernel that lies here, stay.
func TestArchitecturesMultiplySelectors(t *testing.T) {
	host, foreign := arch.Host(), other()
	for name, c := range map[string]struct{ file, kernels, archs, want string }{
		"none":               {"", "debian:trixie", "", "debian:trixie"},
		"this machine's":     {"", "debian:trixie", host.Debian, "debian:trixie"},
		"another":            {"", "debian:trixie git:/x@v6.12+kasan", foreign.Debian, "debian:trixie%F git:/x@v6.12+kasan%F"},
		"both":               {"", "debian:trixie", foreign.Debian + "," + host.Debian, "debian:trixie debian:trixie%F"},
		"one is named":       {"", "debian:trixie%s390x debian:trixie/arm64-16k host dir:/x", "riscv64", "debian:trixie%s390x debian:trixie/arm64-16k host dir:/x"},
		"twice":              {"", "debian:trixie debian:trixie%" + foreign.Debian, foreign.Debian, "debian:trixie%F"},
		"the file's":         {"arch = ['riscv64']", "debian:trixie", "", "debian:trixie%riscv64"},
		"the flag wins":      {"arch = ['riscv64']", "debian:trixie", "s390x", "debian:trixie%s390x"},
		"the file's kernels": {"arch = ['riscv64']\nkernels = ['debian:sid', 'debian:trixie']", "", "", "debian:sid%riscv64 debian:trixie%riscv64"},
		"a set":              {"[kernels]\nnew = ['debian:sid']", "@new", "s390x,riscv64", "debian:sid%riscv64 debian:sid%s390x"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), harness.ConfigName)
			if err := os.WriteFile(path, []byte(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			cfg, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			flags := Flags{Kernels: strings.Fields(c.kernels)}
			if c.archs != "" {
				flags.Archs = strings.Split(c.archs, ",")
			}
			spec, err := cfg.Spec(flags)
			var got []string
			for _, sel := range spec.Kernels {
				got = append(got, sel.String())
			}
			if want := strings.ReplaceAll(c.want, "%F", "%"+foreign.Debian); err != nil || strings.Join(got, " ") != want {
				t.Errorf("got %q, %v; want %s", got, err, want)
			}
		})
	}
	_, err := Default().Spec(Flags{Spec: harness.Spec{Archs: []string{"arm46"}}})
	if _, ok := errors.AsType[*harness.UsageError](err); !ok || err.Error() != `--arch: unknown architecture "arm46" — did you mean "arm64"?` {
		t.Error(err)
	}
}

// A required kernel is required of each architecture, and the lock pins all of them.
func TestRequiredAndPinnedOfEachArchitecture(t *testing.T) {
	cfg, err := parseConfig([]byte("arch = ['riscv64', 's390x']\n[kernels]\ndefault = ['debian:sid']\nrequired = ['debian:trixie']\n"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := cfg.Spec(Flags{})
	if err != nil || len(spec.Kernels) != 4 || len(spec.Required) != 2 || spec.Required[0].String() != "debian:trixie%riscv64" {
		t.Errorf("%v of which %v are required, %v", spec.Kernels, spec.Required, err)
	}
	var pinned []string
	for _, sel := range cfg.Selectors() {
		pinned = append(pinned, sel.String())
	}
	if got := strings.Join(pinned, " "); got != "debian:sid%riscv64 debian:sid%s390x debian:trixie%riscv64 debian:trixie%s390x" {
		t.Error(got)
	}
}

// A pin of an architecture that its selector does not name is refused where it names one; where it means the machine's own, and the lock is
// another machine's, it pins nothing here.
func TestALockPinsTheArchitectureThatIsMeant(t *testing.T) {
	foreign := other()
	to := func(a arch.Arch) func(*kernels.Target) {
		return func(t *kernels.Target) { t.Arch, t.Flavour, t.Packages[0].Arch = a.Name, a.Flavour, a.Debian }
	}
	if l, err := parseLock(pinned("debian:bookworm%"+foreign.Debian, to(foreign))); err != nil || len(l.resolutions()) != 1 {
		t.Errorf("%d pinned, %v", len(l.resolutions()), err)
	}
	if _, err := parseLock(pinned("debian:bookworm%"+foreign.Debian, to(arch.Host()))); err == nil || !strings.Contains(err.Error(), "is pinned to what it cannot name: architecture") {
		t.Errorf("a pin of this machine's architecture to a selector of %s: %v", foreign.Debian, err)
	}
	if l, err := parseLock(pinned("debian:bookworm", to(foreign))); err != nil || len(l.resolutions()) != 0 {
		t.Errorf("%d pinned to kernels of another architecture, %v", len(l.resolutions()), err)
	}
}
