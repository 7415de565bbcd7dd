package dkms

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPadded holds padded to the sed commands of dkms 3.2.2 themselves.
func TestPadded(t *testing.T) {
	const sed = `sed -e 's:\([^0-9]\)\([0-9]\):\1 \2:g' -e 's:\([0-9]\)\([^0-9]\):\1 \2:g' -e 's:\(.*\): \1 :' ` +
		`-e 's: \([0-9]\) : 00\1 :g' -e 's: \([0-9][0-9]\) : 0\1 :g' -e 's: ::g'`
	versions := []string{
		"2.6.9-1cvs200409091247", "6.12.107+deb13-amd64", "4.12", "4.12-rc1", "3.5-rc2", "6", "", "a", "1a2b3", "5.10.0-46-cloud-amd64",
		"1 2 33", "..1..22..333..4444", "7.3.4+deb13-rt-amd64", "10", "100.1000", "x86_64", "6.1.0-0.deb11.56",
	}
	cmd := exec.Command("sh", "-c", sed)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.Stdin = strings.NewReader(strings.Join(versions, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(want) != len(versions) {
		t.Fatalf("sed answers %q", want)
	}
	for i, version := range versions {
		if got := padded(version); got != want[i] {
			t.Errorf("%s: %q, and dkms has %q", version, got, want[i])
		}
	}
}

func TestCondition(t *testing.T) {
	const debian = "6.12.107+deb13-amd64"
	config := map[string]bool{"CONFIG_A": true, "CONFIG_B": true}
	for name, test := range map[string]struct {
		gates   gates
		release string
		config  map[string]bool
		want    string
	}{
		"nothing":           {gates{}, debian, config, ""},
		"kernel":            {gates{kernel: "^5", kernelFits: true}, debian, config, ""},
		"other kernel":      {gates{kernel: "^5"}, debian, config, "BUILD_EXCLUSIVE_KERNEL is ^5, which 6.12.107+deb13-amd64 does not match"},
		"min":               {gates{min: "6.2"}, debian, config, ""},
		"min equal":         {gates{min: debian}, debian, config, ""},
		"min above":         {gates{min: "6.13"}, debian, config, "BUILD_EXCLUSIVE_KERNEL_MIN is 6.13, and 6.12.107+deb13-amd64 is below it"},
		"min admits rc":     {gates{min: "3.5"}, "3.5-rc2", config, ""},
		"max":               {gates{max: "6.13"}, debian, config, ""},
		"max of the series": {gates{max: "6.12"}, debian, config, "BUILD_EXCLUSIVE_KERNEL_MAX is 6.12, and 6.12.107+deb13-amd64 is above it (dkms compares them as text)"},
		"max equal":         {gates{max: "4.12"}, "4.12", config, ""},
		"max below rc":      {gates{max: "4.12"}, "4.12-rc1", config, "BUILD_EXCLUSIVE_KERNEL_MAX is 4.12, and 4.12-rc1 is above it (dkms compares them as text)"},
		"max 9 and 10":      {gates{max: "6.9"}, "6.10.1", config, "BUILD_EXCLUSIVE_KERNEL_MAX is 6.9, and 6.10.1 is above it"},
		"obsolete":          {gates{obsolete: "6.4"}, debian, config, "OBSOLETE_BY is 6.4, and 6.12.107+deb13-amd64 is above it"},
		"max before it":     {gates{obsolete: "6.4", max: "7"}, debian, config, ""},
		"arch":              {gates{arch: "aarch64"}, debian, config, "BUILD_EXCLUSIVE_ARCH is aarch64, which x86_64 does not match"},
		"config":            {gates{config: "CONFIG_A  !CONFIG_C"}, debian, config, ""},
		"config absent":     {gates{config: "CONFIG_A CONFIG_C"}, debian, config, "BUILD_EXCLUSIVE_CONFIG is CONFIG_A CONFIG_C, and CONFIG_C is not set"},
		"config present":    {gates{config: "!CONFIG_B"}, debian, config, "BUILD_EXCLUSIVE_CONFIG is !CONFIG_B, and CONFIG_B is set"},
		"config without":    {gates{config: "A"}, debian, config, "BUILD_EXCLUSIVE_CONFIG is A, and nothing is named A: CONFIG_ is missing before it"},
		"no config file":    {gates{config: "CONFIG_C"}, debian, nil, ""},
		"first counts":      {gates{kernel: "^5", min: "7", arch: "x"}, debian, config, "BUILD_EXCLUSIVE_KERNEL is ^5, which 6.12.107+deb13-amd64 does not match"},
	} {
		f := facts{release: test.release, arch: "x86_64", config: test.config}
		if got := test.gates.condition(f); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestReadConfig(t *testing.T) {
	got := readConfig([]byte("# CONFIG_N is not set\nCONFIG_Y=y\nCONFIG_M=m\nCONFIG_S=\"y\"\nCONFIG_I=3\n"))
	if len(got) != 2 || !got["CONFIG_Y"] || !got["CONFIG_M"] {
		t.Errorf("%v", got)
	}
}
