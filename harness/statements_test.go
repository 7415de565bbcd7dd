package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/results"
)

// Sentences as they stand in the READMEs of packages.
func TestStatements(t *testing.T) {
	for line, want := range map[string]string{
		"Linux 4.14 - 6.8 are supported.":                                       "4.14 to 6.8",
		"* Supports Linux kernels 4.4 to 6.11":                                  "4.4 to 6.11",
		"This driver supports kernels >= 5.4 up to 6.11":                        "5.4 to 6.11",
		"Compatible with the **Linux kernel** `4.18.x` – `6.9`.":                "4.18 to 6.9",
		"- Kernel development headers >= 3.0":                                   "3.0 to",
		"  * kernel >= 4.18":                                                    "4.18 to",
		"Linux kernel version 4.15 or newer is required.":                       "4.15 to",
		"It requires Linux 5.10+.":                                              "5.10 to",
		"Kernel 5.6 and above is needed to build it":                            "5.6 to",
		"This module builds on Linux up to 6.8":                                 "to 6.8",
		"Tested with kernel 6.1":                                                "6.1 to 6.1",
		"It was tested on Linux v6.12.4, and seems to work.":                    "6.12.4 to 6.12.4",
		"The driver supports Linux kernel version 3.2 and higher.":              "3.2 to",
		"It supports Linux kernels from 2.6.32 to 5.8.":                         "2.6.32 to 5.8",
		"Tested with kernel 5.15.0-48-generic":                                  "5.15.0 to 5.15.0",
		"For kernels 5.9 and later there is another driver, which is supported": "",
		"- Kernel 4.4 or older: no zero-copy, works slower":                     "",
		"Experimental support for 5.14 kernels":                                 "",
		"":                                                                      "",
		"For linux>=5.18, CONFIG_VIDEO_V4L2 has been renamed to VIDEO_DEV":      "",
		"dm-writeboost builds on top of dm features introduced in Linux 3.9":    "",
		"dma_set_mask_and_coherent() was introduced in Linux v3.13":             "",
		"Since kernel 5.4 - 5.6 this works":                                     "",
		"Kernels older than 4.4 are not supported":                              "",
		"On kernel 5.8 or newer, set the option x (required)":                   "",
		"- for kernels >= 5.8 it requires x":                                    "",
		"This driver was not tested on kernel 6.1":                              "",
		"Ubuntu 16.04+, Fedora, all linux distros that support systemd 4.0+":    "",
		"requires gcc 4.8 or newer":                                             "",
		"supports v4l2loopback 0.12 - 0.15 on Linux":                            "",
		"Linux 6.8 - 4.14 are supported":                                        "",
		"The kernel version 6.1.0-56-amd64 is supported":                        "",
		"Linux 2.6 to 2.6.39 is supported. " + strings.Repeat("And more. ", 60): "",
		"Fixes a bug with Linux 6.8 and newer, which requires x":                "",
	} {
		got := ""
		for _, s := range statements("README", []byte("Title\n"+line+"\r\n")) {
			got = strings.TrimSpace(fmt.Sprintf("%s to %s", s.Min, s.Max))
			if s.Where != "README:2" {
				t.Errorf("%q: at %s", line, s.Where)
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	meta := statements("META", []byte("Meta: 1\nName: zfs\nVersion: 2.2.7\nLinux-Maximum: 6.12\nLinux-Minimum: 4.18\n"))
	if len(meta) != 2 || meta[0].Max != "6.12" || meta[1].Min != "4.18" || meta[1].Where != "META:5" || meta[0].Text != "Linux-Maximum: 6.12" {
		t.Errorf("%+v", meta)
	}
}

func TestIsProse(t *testing.T) {
	for name, want := range map[string]bool{"README": true, "README.md": true, "Readme.txt": true, "META": true, "INSTALL": true,
		"doc/README": false, "README.gz": false, "CHANGELOG.md": false, "readme.c": false} {
		if isProse(name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

func TestHoldStatements(t *testing.T) {
	tried := builtRecords(recordsOf("5.10.1=PASS 6.1.5=PASS 6.8.9=FAIL 6.8.9=FAIL 6.12.1=FAIL"))
	for _, tt := range []struct{ low, high, want string }{
		{"5.4", "6.8", "true 6.8.9-x"}, {"5.4", "6.7", "true "}, {"6.8", "", "true 6.8.9-x 6.12.1-x"}, {"", "5.9", "false "},
		{"6.1", "6.1", "true "}, {"6.8.10", "6.8.12", "false "}, {"", "", "true 6.8.9-x 6.12.1-x"},
	} {
		s := holdStatements([]results.Statement{{Min: tt.low, Max: tt.high}}, tried)[0]
		if got := fmt.Sprintf("%v %s", s.Measured, strings.Join(s.Broken, " ")); got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.low, tt.high, got, tt.want)
		}
	}
}

// FuzzStatements holds that what is taken for a claim is two versions in their order at a line that can be shown.
func FuzzStatements(f *testing.F) {
	for _, line := range []string{"Linux 4.14 - 6.8 are supported", "kernel >= 4.18", "tested with linux 6.1", "Linux-Maximum: 6.1", "requires kernel 2.6+\x1b[31m"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range slices.Concat(statements("README", []byte(text)), statements("META", []byte(text))) {
			if s.Min+s.Max == "" || s.Min != "" && s.Max != "" && results.CompareVersions(s.Min, s.Max) > 0 {
				t.Errorf("%+v", s)
			}
			for _, v := range []string{s.Min, s.Max} {
				if _, ok := code(v); v != "" && !ok {
					t.Errorf("%q is no version", v)
				}
			}
			if !utf8.ValidString(s.Text) || strings.ContainsAny(s.Text, "\n\x1b") || utf8.RuneCountInString(s.Text) > maxQuote || strings.ContainsAny(s.Where, "\n") {
				t.Errorf("%+v", s)
			}
		}
	})
}
