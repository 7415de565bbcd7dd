package report

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/modmatrix/modmatrix/results"
)

// ofArchs is a matrix of two compiled kernels of one release, of two architectures, and of Debian's on a third that fails.
func ofArchs() *results.Results {
	r := &results.Results{Module: results.Module{Name: "mydriver"}, Run: results.Run{Host: results.Host{Accelerator: "tcg"}}}
	for _, t := range []results.Target{
		{Release: "6.12.0", Version: "6.12.0", Arch: "aarch64", Flavour: "minimal", Source: "tar:linux.tar"},
		{Release: "6.12.0", Version: "6.12.0", Arch: "x86_64", Flavour: "minimal", Source: "tar:linux.tar"},
		{Release: "6.1.0-50-s390x", Version: "6.1.192", Arch: "s390x", Flavour: "s390x", Source: "debian:bookworm"},
		{Release: "6.12.117+deb13-riscv64", Version: "6.12.117", Arch: "riscv64", Flavour: "riscv64", Source: "debian:trixie"},
	} {
		rec := cell(t.Release, "lifecycle", specs(2)...)
		if rec.Target = t; t.Arch == "s390x" {
			rec = decided(rec, results.Fail, results.StageLoad, results.CodeWarn, "WARNING in my_init")
		}
		r.Records = append(r.Records, rec)
	}
	r.Finish()
	return r
}

func TestArchitecturesAreGroupsInEveryFormat(t *testing.T) {
	r := ofArchs()
	var text bytes.Buffer
	if err := Text(&text, r, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "archs.txt", text.Bytes())
	text.Reset()
	if err := Markdown(&text, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "archs.md", text.Bytes())
	for name, c := range map[string]struct {
		write func(*bytes.Buffer) error
		want  []string // in this order
	}{
		"junit":  {func(b *bytes.Buffer) error { return JUnit(b, r) }, []string{`"kmod.x86_64.6.12.0.lifecycle"`, `"kmod.aarch64.6.12.0%arm64.lifecycle"`, `"kmod.riscv64.`, `"kmod.s390x.6.1.0-50-s390x.lifecycle"`}},
		"ktap":   {func(b *bytes.Buffer) error { return KTAP(b, r) }, []string{"\nok 1 x86_64.6.12.0.lifecycle", "\nok 2 aarch64.6.12.0%arm64.lifecycle", "\nok 3 riscv64.", "\nnot ok 4 s390x."}},
		"html":   {func(b *bytes.Buffer) error { return HTML(b, r, fstest.MapFS{}) }, []string{"4 kernels of 4 architectures", ">x86_64<", ">aarch64<", "6.12.0%arm64", ">riscv64<", ">s390x<"}},
		"github": {func(b *bytes.Buffer) error { var log bytes.Buffer; return GitHub(&log, b, r) }, []string{"4 kernels of 4 architectures", "**`x86_64`**", "**`aarch64`**", "**`riscv64`**", "**`s390x`**"}},
		"kcidb":  {func(b *bytes.Buffer) error { return KCIDB(b, r) }, []string{`"x86_64"`, `"aarch64"`, `"riscv64"`, `"s390x"`}},
	} {
		text.Reset()
		if err := c.write(&text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		rest := text.String()
		for _, want := range c.want {
			i := strings.Index(rest, want)
			if i < 0 {
				t.Fatalf("%s: no %q after what comes before it in\n%s", name, want, text.String())
			}
			rest = rest[i:]
		}
	}
}

// A table that folds keeps the architectures apart.
func TestFoldedArchitecturesStayApart(t *testing.T) {
	r := &results.Results{}
	for _, arch := range []string{"x86_64", "aarch64"} {
		for _, version := range []string{"6.12.1", "6.12.2", "6.12.3"} {
			rec := cell(version, "lifecycle", specs(2)...)
			rec.Target.Arch, rec.Target.Flavour = arch, "minimal"
			r.Records = append(r.Records, rec)
		}
	}
	r.Finish()
	got := drawTable(r.Matrix(), Options{Height: 3})
	if n := strings.Count(got, "6.12.1 – 6.12.3  3 kernels"); n != 2 || !strings.Contains(got, "  x86_64\n") || !strings.Contains(got, "  aarch64\n") {
		t.Errorf("got\n%s", got)
	}
}

// What is missed of architectures is said of those that their rows say it of.
func TestUntestedArchitectures(t *testing.T) {
	of := func(archs ...string) string {
		var kernels []results.Target
		for _, a := range archs {
			kernels = append(kernels, results.Target{Arch: a, Source: "git:linux", Profile: "kasan+lockdep+kmemleak+rt+clang"})
		}
		return strings.Join(missingKinds(kernels), " ")
	}
	for archs, want := range map[string]string{"x86_64": "No arm64, 32-bit or big-endian kernel.", "x86_64 aarch64": "No 32-bit or big-endian kernel.", "aarch64 armv7l": "No big-endian kernel.",
		"aarch64 i686 s390x": "", "ppc64le riscv64": "No arm64, 32-bit or big-endian kernel."} {
		if got := of(strings.Fields(archs)...); got != want {
			t.Errorf("%s: %q, want %q", archs, got, want)
		}
	}
}
