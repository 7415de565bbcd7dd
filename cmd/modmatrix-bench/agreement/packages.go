package agreement

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// defaultPackages are of all kinds in Debian's main: by files, Makefiles, patches and kernels. Those that take long come last.
var defaultPackages = []string{
	"acpi-call-dkms", "bbswitch-dkms", "vpoll-dkms", "leds-alix-dkms", "langford-dkms", "librem-ec-acpi-dkms", "vhba-dkms",
	"lime-forensics-dkms", "mstflint-dkms", "ddcci-dkms", "v4l2loopback-dkms", "nat-rtsp-dkms/bookworm", "adv-17v35x-dkms/bookworm",
	"dkms-test-dkms", "dm-writeboost-dkms", "tp-smapi-dkms", "rapiddisk-dkms", "reform2-lpc-dkms", "dpdk-kmods-dkms",
	"lenovolegionlinux-dkms", "xtrx-dkms", "digimend-dkms", "openrazer-driver-dkms", "evdi-dkms", "v4l2loopback-dkms/bookworm",
	"gost-crypto-dkms", "rtpengine-kernel-dkms", "smifb2-dkms", "openvpn-dco-dkms", "iptables-netflow-dkms", "west-chamber-dkms",
	"xtables-addons-dkms", "apfs-dkms", "jool-dkms", "falcosecurity-scap-dkms", "dahdi-dkms", "lttng-modules-dkms",
}

type named struct{ name, suite string }

var goodName = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+)(?:/([a-z][a-z0-9-]*))?$`)

// parseNames reads NAME or NAME/SUITE, as apt has it.
func parseNames(words []string, suite string) (all []named, err error) {
	for _, word := range words {
		m := goodName.FindStringSubmatch(word)
		if m == nil {
			return nil, fmt.Errorf("%q is no package: write NAME or NAME/SUITE", word)
		}
		all = append(all, named{m[1], cmp.Or(m[2], suite)})
	}
	return all, nil
}

var (
	// errorLine is the form in which compilers, modpost, make, patch, sh and dkms itself report an error.
	errorLine = regexp.MustCompile(`(?i)(^|[^a-z_])(fatal )?error[:!]|undefined!$|\*\*\* |: (command )?not found$|No such file or directory|FAILED --|^ERROR`)
	// warning looks like one and decides nothing.
	warning     = regexp.MustCompile(`(?i)^warning|warning:`)
	buildFolder = regexp.MustCompile(`/var/lib/dkms/[^/ ]+/[^/ ]+/build/`)
)

// firstError is the line with which a failed dkms build began to fail: in the build's log, else in the output of dkms.
func firstError(log []byte, output string) string {
	for _, text := range []string{string(log), output} {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if errorLine.MatchString(line) && !warning.MatchString(line) && !strings.HasPrefix(line, "#") {
				return shorten(line)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return shorten(lines[len(lines)-1])
}

// shorten makes one line of at most 200 characters, without the folders that are the same in every build.
func shorten(line string) string {
	line = strings.Join(strings.Fields(strings.ToValidUTF8(line, "?")), " ")
	line = buildFolder.ReplaceAllString(line, "")
	if runes := []rune(line); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return line
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return shorten(line)
}
