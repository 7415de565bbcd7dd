package kernels

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

func TestParseSelector(t *testing.T) {
	for text, want := range map[string]Selector{
		"debian:trixie":                             {Source: "debian", Name: "trixie"},
		"debian:trixie-backports@7.2":               {Source: "debian", Name: "trixie-backports", Version: "7.2"},
		"debian:bookworm/cloud-amd64":               {Source: "debian", Name: "bookworm", Flavour: "cloud-amd64"},
		"debian:sid@7.*/rt-amd64+lockdep+kasan":     {Source: "debian", Name: "sid", Version: "7.*", Flavour: "rt-amd64", Profiles: []string{"kasan", "lockdep"}},
		"debian:all":                                {Source: "debian", Name: "all"},
		"debian:all@6.1..6.12/cloud-amd64":          {Source: "debian", Name: "all", Version: "6.1..6.12", Flavour: "cloud-amd64"},
		"debian:all@6.1..":                          {Source: "debian", Name: "all", Version: "6.1.."},
		"debian:all@..6.6.3":                        {Source: "debian", Name: "all", Version: "..6.6.3"},
		"git:~/linux@v6.1..v6.12+kasan":             {Source: "git", Name: "~/linux", Version: "v6.1..v6.12", Profiles: []string{"kasan"}},
		"git:~/linux@lts":                           {Source: "git", Name: "~/linux", Version: "lts"},
		"host":                                      {Source: "host"},
		"host:6.12.107+deb13-amd64":                 {Source: "host", Name: "6.12.107+deb13-amd64"},
		"dir:/usr/src/linux-headers-6.12+deb13@x/y": {Source: "dir", Name: "/usr/src/linux-headers-6.12+deb13@x/y"},
		"git:~/linux@v6.18+kasan":                   {Source: "git", Name: "~/linux", Version: "v6.18", Profiles: []string{"kasan"}},
		"git:/a@b/linux@origin/master":              {Source: "git", Name: "/a@b/linux", Version: "origin/master"},
		"git:../c++/linux+debug":                    {Source: "git", Name: "../c++/linux", Profiles: []string{"debug"}},
		"git:~/l+x@HEAD~3":                          {Source: "git", Name: "~/l+x", Version: "HEAD~3"},
		"tar:linux-6.12+dfsg.tar.xz+kasan":          {Source: "tar", Name: "linux-6.12+dfsg.tar.xz", Profiles: []string{"kasan"}},
		"debian:bookworm/686-pae":                   {Source: "debian", Name: "bookworm", Flavour: "686-pae"},
		"debian:trixie%arm64":                       {Source: "debian", Name: "trixie", Arch: "arm64"},
		"debian:all@6.1../arm64-16k%arm64":          {Source: "debian", Name: "all", Version: "6.1..", Flavour: "arm64-16k", Arch: "arm64"},
		"debian:sid/rt+package%s390x":               {Source: "debian", Name: "sid", Flavour: "rt", Profiles: []string{"package"}, Arch: "s390x"},
		"git:~/linux@v6.12+kasan%riscv64":           {Source: "git", Name: "~/linux", Version: "v6.12", Profiles: []string{"kasan"}, Arch: "riscv64"},
		"git:~/linux%riscv64":                       {Source: "git", Name: "~/linux", Arch: "riscv64"},
		"tar:a%b.tar%ppc64el":                       {Source: "tar", Name: "a%b.tar", Arch: "ppc64el"},
		"tar:~/v@1.tar":                             {Source: "tar", Name: "~/v@1.tar"},
	} {
		got, err := ParseSelector(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseSelector(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestSelectorErrorsPointAtTheCharacter(t *testing.T) {
	for text, offset := range map[string]int{
		"":                          0,
		"ubuntu:noble":              0,
		"Debian:trixie":             0,
		"debian":                    6,
		"debian:":                   7,
		"debian:Trixie":             7,
		"debian:trixie@v7":          14,
		"debian:trixie@7.2/":        18,
		"debian:trixie+":            14,
		"debian:trixie+KASAN":       14,
		"debian:trixie+kasan+kasan": 20,
		"debian:trixie@7.2@7.3":     17,
		"debian:trixie/amd64@7.2":   19,
		"debian:trixie é":           13,
		"debian:all@..":             11,
		"debian:all@6.1..6.6..6.12": 19,
		"debian:all@6.*..7.0":       13,
		"debian:all@6.1..*":         16,
		"git:l@..":                  8,
		"git:l@v6.1...v6.2":         12,
		"host+kasan":                4,
		"here+kasan":                4,
		"here:6.1":                  4,
		"here%arm64":                4,
		"host:":                     5,
		"git:@v6.18":                4,
		"git:~/linux@":              12,
		"git:~/linux@v6 8":          14,
		"git:a\nb@v1":               5,
		"tar:+kasan":                4,
		"debian:trixie%":            14,
		"debian:trixie%aarch64":     14,
		"debian:trixie%sparc64":     14,
		"debian:trixie%arm64+kasan": 19,
		"debian:sid/armmp%arm64":    17,
		"host%arm64":                4,
		"git:l%x86_64":              6,
		"tar:l%x86_64":              6,
	} {
		_, err := ParseSelector(text)
		e, ok := errors.AsType[*SelectorError](err)
		if !ok || e.Offset != offset || e.Text != text {
			t.Errorf("ParseSelector(%q): %v; want a SelectorError at %d", text, err, offset)
			continue
		}
		if line := e.Error(); strings.ContainsAny(line, "\n\r") || e.Problem == "" {
			t.Errorf("ParseSelector(%q): not one clear line: %q", text, line)
		}
	}
}

func TestArchitectureOfASelector(t *testing.T) {
	for text, want := range map[string]string{"debian:sid%s390x": "s390x", "debian:sid/armmp-lpae": "armhf", "debian:sid/arm64-16k": "arm64",
		"git:l%riscv64": "riscv64", "debian:sid": arch.Host().Debian, "dir:/x%arm64": arch.Host().Debian} {
		sel, err := ParseSelector(text)
		if got := sel.Architecture().Debian; err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"debian:sid%aarch64": "did you mean arm64?", "debian:sid%armv7": "did you mean armhf?", "debian:sid%ppc64": "did you mean ppc64el?",
		"debian:sid%sparc": "one of amd64, i386"} {
		if _, err := ParseSelector(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"debian:trixie@7.2/rt-amd64+kasan", "host:6.1.0-5", "here", "git:~/l@v6+a+b", "git:a+b", "tar:x+y", "dir:/x@+", "debian:all@6.1..", "git:l@v1..v2", "debian:sid/armmp%armhf", "tar:x%y%arm64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := ParseSelector(s)
		if err != nil {
			if e, ok := errors.AsType[*SelectorError](err); !ok || e.Offset > len(s) || strings.ContainsAny(e.Error(), "\n") {
				t.Fatalf("%q: bad error %v", s, err)
			}
			return
		}
		again, err := ParseSelector(sel.String())
		if err != nil || !reflect.DeepEqual(again, sel) {
			t.Fatalf("%q: %+v became %+v, %v by way of %q", s, sel, again, err, sel.String())
		}
	})
}

func TestVersionMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, version string
		want             bool
	}{
		{"7.2", "7.2.12", true}, {"7.2", "7.2", true}, {"7.2", "7.20.1", false}, {"7.2", "7.3.4", false},
		{"6.1", "6.12.107", false}, {"6.12.107", "6.12.107", true}, {"6.12.107", "6.12.11", false}, {"6.12.10", "6.12.107", false},
		{"7.*", "7.3.4", true}, {"7.*", "6.7.4", false}, {"7", "7.3.4", true}, {"*", "5.10.262", true}, {"", "5.10.262", true},
		{"6.1..6.12", "6.1", true}, {"6.1..6.12", "6.12.107", true}, {"6.1..6.12", "6.13", false}, {"6.1..6.12", "6.0.19", false},
		{"6.1.100..6.12", "6.1.99", false}, {"6.12..", "7.0~rc1", true}, {"..6.12", "5.10.1", true}, {"..6.12", "6.13.1", false},
		{"7.3", "7.3~rc4", true}, {"7.3-rc4", "7.3~rc4", true}, {"7.3-rc4", "7.3.4", false}, {"7.3.1", "7.3", false},
	} {
		if got := VersionMatches(c.pattern, c.version); got != c.want {
			t.Errorf("VersionMatches(%q, %q) = %v", c.pattern, c.version, got)
		}
	}
}
