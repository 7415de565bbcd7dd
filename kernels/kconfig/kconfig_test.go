package kconfig

import (
	"strings"
	"testing"
)

const config = `#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14) 12.2.0"
CONFIG_64BIT=y
CONFIG_VIRTIO=m
CONFIG_HZ=250
# CONFIG_KASAN is not set
CONFIG_UNSET=n
CONFIG_EMPTY=""
NOT_CONFIG_X=y
CONFIG_=y
CONFIG_NOVALUE
`

func TestParse(t *testing.T) {
	c := Parse(config)
	for symbol, want := range map[string]string{
		"CC_VERSION_TEXT": "gcc-12 (Debian 12.2.0-14) 12.2.0",
		"CONFIG_64BIT":    "y",
		"VIRTIO":          "m",
		"HZ":              "250",
		"KASAN":           "",
		"UNSET":           "",
		"EMPTY":           "",
		"X":               "",
		"":                "",
		"NOVALUE":         "",
	} {
		if got := c.Value(symbol); got != want {
			t.Errorf("Value(%q) = %q, want %q", symbol, got, want)
		}
	}
	for symbol, want := range map[string]bool{"64BIT": true, "CONFIG_VIRTIO": true, "HZ": false, "KASAN": false} {
		if got := c.Enabled(symbol); got != want {
			t.Errorf("Enabled(%q) = %v, want %v", symbol, got, want)
		}
	}
	if !strings.HasPrefix(c.Digest(), "sha256:") {
		t.Errorf("digest %q", c.Digest())
	}
}

func TestZero(t *testing.T) {
	var c Config
	if c.Enabled("X") || c.Value("X") != "" || c.Digest() != "" {
		t.Errorf("the zero value has something set: %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(config)
	f.Add("CONFIG_A=\"\nCONFIG_B")
	f.Fuzz(func(t *testing.T, text string) {
		for symbol, value := range Parse(text).values {
			if symbol == "" || value == "n" || strings.Contains(value, "\n") {
				t.Errorf("%q is set to %q", symbol, value)
			}
		}
	})
}
