package results

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var alice = Identity{Hosts: []string{"wonderland", "rabbit.example.org"}, Users: []string{"alice", "Alice Liddell", "root", ""}, Homes: []string{"/data/homes/alice", "/root"},
	Serials: []string{"PF3ABCDE", "0123456789abcdef0123456789abcdef", "To Be Filled By O.E.M."}, Models: []string{"20XWCTO1WW", "1.0"}}

// Each kind goes, wherever it stands.
func TestScrubTakesOut(t *testing.T) {
	for text, want := range map[string]string{
		"Linux version 6.12.107 (alice@wonderland) (gcc-14)":    "Linux version 6.12.107 ([user]@[host]) (gcc-14)",
		"ALICE on Wonderland, alice_dev and wonderland.lan":     "[user] on [host], [user]_dev and [host].lan",
		"by Alice Liddell at rabbit.example.org":                "by [user] at [host]",
		"make -C /data/homes/alice/drv M=/data/homes/alice/drv": "make -C [home]/drv M=[home]/drv",
		"/home/bob/src/x.c:12:3: error: /Users/eve/y.h":         "[home]/src/x.c:12:3: error: [home]/y.h",
		`"/home/bob"`: `"[home]"`,
		"e1000 0000:00:03.0 eth0: (PCI:33MHz) 52:54:00:12:34:56":     "e1000 0000:00:03.0 eth0: (PCI:33MHz) [mac]",
		"addr 00-11-22-AA-bb-cc, iface:00:11:22:33:44:55.":           "addr [mac], iface:[mac].",
		"failed:00:11:22:33:44:55":                                   "failed:[mac]",
		"GUID 00:11:22:ff:fe:33:44:55":                               "GUID [mac]",
		"enx001122334455: renamed from eth1":                         "enx[mac]: renamed from eth1",
		"wlan0: authenticate with 00:11:22:33:44:55 (try 1/3)":       "wlan0: authenticate with [mac] (try 1/3)",
		"peer 192.168.1.17:22, 10.0.0.0/24, 10.0.0.1-10.0.0.9":       "peer [ip]:22, [ip]/24, [ip]-[ip]",
		"SRC=192.168.1.17 DST=8.8.8.8 LEN=60":                        "SRC=[ip] DST=[ip] LEN=60",
		"inet6 fe80::1ff:fe23:4567:890a/64, [2001:db8::17]:443":      "inet6 [ip]/64, [[ip]]:443",
		"src:2001:db8:0:0:0:0:0:17, ::ffff:192.0.2.1":                "src:[ip], [ip]",
		"usb 1-1: SerialNumber: 4C530001230987":                      "usb 1-1: SerialNumber: [serial]",
		"S:  SerialNumber=17":                                        "S:  SerialNumber=[serial]",
		"Serial Number: ABC-123, serial no. = X9Y8, S/N: Z7":         "Serial Number: [serial], serial no. = [serial], S/N: [serial]",
		"dmi: PF3ABCDE and 0123456789ABCDEF0123456789ABCDEF":         "dmi: [serial] and [serial]",
		"root=UUID=8f0e7d6c-1234-4321-9876-0a1b2c3d4e5f ro":          "root=UUID=[serial] ro",
		"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4":                     "/dev/disk/by-id/wwn-0x[serial]",
		"Hardware name: LENOVO 20XWCTO1WW/20XW, BIOS N32 01/02/2024": "Hardware name: [dmi]",
		"DMI: ASUS PRIME/B450, BIOS 4.20 01/02/2024 then more":       "DMI: [dmi] then more",
		"Hardware name: Acme Board Rev 1.4 (DT)\nnext":               "Hardware name: [dmi]\nnext",
		"board_name: B450, product_serial=Q1W2E3":                    "board_name: [dmi]",
		"product_serial=Q1W2E3":                                      "product_serial=[serial]",
		"found on a 20xwcto1ww.":                                     "found on a [dmi].",
	} {
		if got := NewScrubber(alice).Text(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// What a kernel says of itself, and what looks like something else, stays to the byte.
func TestScrubLeaves(t *testing.T) {
	for _, text := range []string{
		"Linux version 6.12.107+deb13-amd64 (debian-kernel@lists.debian.org) (gcc-14 (Debian 14.2.0-19) 14.2.0) #1 SMP 2026-11-26",
		"pci 0000:00:03.0: [8086:100e] type 00 class 0x020000", "virtio-pci 0000:00:1f.2:pcie", "ata1.00: SATA link up", "scsi 2:0:0:0: Direct-Access",
		"RIP: 0010:zoo_init+0x7/0x1000 [null_init]", "RAX: 0000000000000000 RBX: ffffffffc05bf000", "FS:  00003ee03784b090(0000) GS:ff31aa178ec00000(0000)",
		"Code: ff cc cc 49 89 f2 48 <0f> 0b", "00000000: 48 65 6c 6c 6f 20 77 6f 72 6c 64 00 01 02 03 04  Hello world....", "de:ad:be:ef", "aa:bb:cc:dd:ee:ff:00:11:22:33",
		"rtc_cmos 00:04: setting system clock to 2026-11-30T20:48:01 UTC (1795985281)", "12:34:56", "00:00:00", "io.c:812:3: error: x", "foo::bar, std::cafe, core::face::add",
		"version 1.2.3.4", "driver v1.2.3.4 loaded", "firmware: 7.13.1.0", "rtl8812au-5.6.4.2/main.c", "fw 1.2.3.4-k", "2.6.32.61.1", "qla2xxx 10.02.00.200-k",
		"127.0.0.1:53 and ::1 and 0.0.0.0 and 255.255.255.0 and 224.0.0.1",
		"Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled", "usb 1-1: New USB device strings: Mfr=1, Product=2, SerialNumber=3", "serial8250: ttyS0 at I/O 0x3f8",
		"Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014", "DMI: Memory slots populated: 1/1",
		"mounted root on /root, user 0, localhost, malice, alice2", "usb:v046DpC52Bd1201dc00", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "a host of the builder", "[user] on [host] in [home]",
		"BTF .tmp_vmlinux.btf", "Kernel Offset: 0x32600000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)", "5.6.7.8",
	} {
		s := NewScrubber(alice, "5.6.7.8")
		if got := s.Text(text); got != text || len(s.Counts()) > 0 {
			t.Errorf("%s\ngot %s, %v", text, got, s.Counts())
		}
	}
}

// The consoles that faults are recognised in are evidence, and stay what they are.
func TestScrubLeavesConsoles(t *testing.T) {
	found, err := filepath.Glob("../vm/console/testdata/recorded/*.txt")
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		was, now := strings.Split(string(text), "\n"), strings.Split(NewScrubber(alice).Text(string(text)), "\n")
		for i := range was {
			if was[i] != now[i] {
				t.Errorf("%s:%d: %s\nbecame %s", path, i+1, was[i], now[i])
			}
		}
	}
}

func TestScrubResults(t *testing.T) {
	secret := "alice@wonderland 00:11:22:33:44:55 192.168.1.17 /home/alice/x"
	r := &Results{Schema: Schema, Run: Run{Tool: "modmatrix 0.1.0", Asked: Asked{Words: []string{"run", "/home/alice/drv"}, Suites: map[string]string{"fifo": "/home/alice/fifo"}}, Host: Host{CPUModel: "max", QEMU: "7.2.22"}},
		Module: Module{Name: "drv", Version: "1.2.3.4", SourceDigest: "sha256:00"},
		Records: []Record{{Target: Target{Release: "6.1.0-57-amd64", Version: "6.1.0", Source: "dir:/home/alice/k", Arch: "x86_64"}, Suite: "lifecycle", Status: Fail, Stage: StageTest, Code: CodeOops, Reason: secret,
			Specs:  []Spec{{Name: secret, Status: Fail, Message: secret, Location: "/home/alice/a_test.go:3"}},
			Splats: []Splat{{Title: secret, Kind: "oops", Excerpt: secret + "\nHardware name: Acme X, BIOS 1 01/02/2024\n", Fingerprint: "f00"}}, Notes: []string{secret}}}}
	r.Finish()
	s := NewScrubber(Identity{Hosts: []string{"wonderland"}, Users: []string{"alice", "max", "oops", "fail"}}, r.Module.Version)
	got, err := s.Results(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(bytesOf(got))
	for _, word := range []string{"alice", "wonderland", "00:11", "192.168", "Acme"} {
		if strings.Contains(text, word) {
			t.Errorf("%s is left in %s", word, text)
		}
	}
	for _, word := range []string{`"max"`, `"oops"`, `"FAIL":1`, `"1.2.3.4"`, `"7.2.22"`, `"6.1.0-57-amd64"`, `"x86_64"`, `"dir:[home]/k"`, `"fingerprint":"f00"`, `"fifo":"[home]/fifo"`} {
		if !strings.Contains(text, word) {
			t.Errorf("%s is gone from %s", word, text)
		}
	}
	if fmt.Sprint(s.Counts()) != "[{host name 6} {user name 6} {home folder 10} {MAC address 6} {IP address 6} {DMI 1}]" {
		t.Error(s.Counts())
	}
}

// Whatever comes, what is written in the place of something is not found again, and lines stay lines.
func FuzzScrub(f *testing.F) {
	f.Add("alice@wonderland fe80::1 00:11:22:33:44:55 10.0.0.1 /home/x Serial Number: 1234 DMI: a, BIOS b 01/02/2024")
	f.Add("Hardware name: \\\nUUID=aaaaaaaaa\xff SerialNumber=")
	f.Fuzz(func(t *testing.T, text string) {
		once := NewScrubber(alice).Text(text)
		if twice := NewScrubber(alice).Text(once); strings.Count(once, "\n") != strings.Count(text, "\n") || strings.Count(twice, "\n") != strings.Count(once, "\n") {
			t.Errorf("%q became %q", text, once)
		}
	})
}
