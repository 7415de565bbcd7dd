package main

import (
	"fmt"
	"regexp"
	"strings"
)

// defaultPackages are of all kinds that there are in Debian's main: one file and dozens, with a Makefile of their own and
// without, patched and configured, for one kernel and for all; what takes long comes last.
var defaultPackages = []string{
	"acpi-call-dkms", "bbswitch-dkms", "vpoll-dkms", "leds-alix-dkms", "langford-dkms", "librem-ec-acpi-dkms", "vhba-dkms",
	"lime-forensics-dkms", "mstflint-dkms", "ddcci-dkms", "v4l2loopback-dkms", "nat-rtsp-dkms/bookworm", "adv-17v35x-dkms/bookworm",
	"dkms-test-dkms", "dm-writeboost-dkms", "tp-smapi-dkms", "rapiddisk-dkms", "reform2-lpc-dkms", "dpdk-kmods-dkms",
	"lenovolegionlinux-dkms", "xtrx-dkms", "digimend-dkms", "openrazer-driver-dkms", "evdi-dkms", "v4l2loopback-dkms/bookworm",
	"gost-crypto-dkms", "rtpengine-kernel-dkms", "smifb2-dkms", "openvpn-dco-dkms", "iptables-netflow-dkms", "west-chamber-dkms",
	"xtables-addons-dkms", "apfs-dkms", "jool-dkms", "falcosecurity-scap-dkms", "dahdi-dkms", "lttng-modules-dkms",
}

// named is a package as the command line says it.
type named struct{ name, suite string }

var (
	goodPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	goodSuite   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// parseNames reads NAME or NAME/SUITE, as apt has it.
func parseNames(words []string, suite string) ([]named, error) {
	var all []named
	for _, word := range words {
		n := named{word, suite}
		if name, own, ok := strings.Cut(word, "/"); ok {
			n = named{name, own}
		}
		if !goodPackage.MatchString(n.name) || !goodSuite.MatchString(n.suite) {
			return nil, fmt.Errorf("%q is no package: write NAME or NAME/SUITE", word)
		}
		all = append(all, n)
	}
	return all, nil
}
