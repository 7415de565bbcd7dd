package source

import (
	"slices"
	"strings"
	"testing"
)

var tags = strings.Fields("v5.10 v5.10.9 v5.10.10 v6.1 v6.1.100 v6.1.99 v6.6-rc1 v6.6 v6.12-rc7 v6.12 v6.12.3 v6.13-rc2 next-20261120 v2.6.39 v6.1.100-rt42 wip v6.12.3")

func TestPick(t *testing.T) {
	for text, want := range map[string]string{
		"lts":              "v5.10.10 v6.1.100 v6.6 v6.12.3",
		"stable":           "v6.12.3",
		"mainline":         "v6.13-rc2",
		"6.1":              "v6.1.100",
		"6.13":             "v6.13-rc2",
		"6.12.3":           "v6.12.3",
		"6.12-rc7":         "v6.12-rc7",
		"6.12.4":           "",
		"v6.1":             "", // a tag, for git itself
		"v6.1..v6.12":      "v6.1.100 v6.6 v6.12.3",
		"6.1..6.12":        "v6.1.100 v6.6 v6.12.3",
		"v6.1..v6.12.2":    "v6.1.100 v6.6 v6.12",
		"v6.1.100..v6.6":   "v6.1.100 v6.6",
		"v6.1.101..v6.6":   "v6.6",
		"v6.6..":           "v6.6 v6.12.3 v6.13-rc2",
		"..v5.10":          "v2.6.39 v5.10.10",
		"v6.7..v6.11":      "",
		"v6.12..v6.1":      "",
		"v6.1..wip":        "",
		"wip":              "",
		"HEAD":             "",
		"":                 "",
		"v99999.1..v6.12":  "",
		"v6.12-rc7..v6.12": "v6.12.3",
	} {
		names, notices := Pick(tags, text)
		if got := strings.Join(names, " "); got != want || len(notices) > 0 {
			t.Errorf("%q: %q %q, want %q", text, got, notices, want)
		}
	}
}

func TestLTSGrowsOld(t *testing.T) {
	for _, tt := range []struct {
		tags string
		old  bool
	}{
		{"v6.18 v6.18.1 v6.19 v7.0 v7.1 v7.2 v7.3 v7.3.1", false},
		{"v6.18 v6.19 v7.0 v7.1 v7.2 v7.3 v7.4-rc1", true},
	} {
		names, notices := Pick(strings.Fields(tt.tags), "lts")
		if len(names) != 1 || (len(notices) > 0) != tt.old {
			t.Errorf("%s: %v %v", tt.tags, names, notices)
		}
	}
	if !slices.IsSortedFunc(lts, func(a, b string) int {
		x, _ := parseTag(a)
		y, _ := parseTag(b)
		return compareTags(x, y)
	}) {
		t.Error("the longterm series are not in order")
	}
}

func TestNearest(t *testing.T) {
	for text, want := range map[string]string{
		"v6.12.4":    "v6.6 v6.12-rc7 v6.12 v6.12.3 v6.13-rc2",
		"v9.9":       "v6.6 v6.12-rc7 v6.12 v6.12.3 v6.13-rc2",
		"v1.0":       "v2.6.39 v5.10 v5.10.9 v5.10.10 v6.1",
		"next-2026":  "next-20261120",
		"unheard-of": "v6.12 v6.12.3 v6.13-rc2",
	} {
		got := strings.Join(nearest(tags, text), " ")
		if !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q in it", text, got, want)
		}
	}
	if got := nearest(nil, "v6.1"); len(got) > 0 {
		t.Error(got)
	}
}

func FuzzPick(f *testing.F) {
	f.Add("v6.1 v6.12-rc1 x", "v6.1..")
	f.Add("v6.1", "..")
	f.Add("", "lts")
	f.Fuzz(func(t *testing.T, list, text string) {
		have := strings.Fields(list)
		names, _ := Pick(have, text)
		for _, n := range append(names, nearest(have, text)...) {
			if !slices.Contains(have, n) {
				t.Errorf("picked %q, which is not there", n)
			}
		}
		if len(nearest(have, text)) > 5 {
			t.Error("too many")
		}
	})
}
