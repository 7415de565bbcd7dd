package packaging

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// resultsOf makes results of words like 6.1.192=PASS.
func resultsOf(words string) *results.Results {
	r := &results.Results{}
	for word := range strings.FieldsSeq(words) {
		version, status, _ := strings.Cut(word, "=")
		r.Records = append(r.Records, results.Record{Suite: "lifecycle", Status: results.Status(status), Specs: []results.Spec{{Name: "x", Status: results.Pass}},
			Target: results.Target{Release: version + "-amd64", Version: version, Arch: "x86_64", Source: "debian:x"}})
	}
	return r
}

func TestMeasured(t *testing.T) {
	for words, want := range map[string]string{
		"5.10.262=PASS 6.1.192=PASS 7.3.4=PASS":                  "kernels 5.10 to 7.3",
		"6.1.192=PASS":                                           "kernels 6.1",
		"5.10.262=FAIL 6.1.192=PASS 6.12.1=PASS 7.3.4=FAIL":      "kernels 6.1 to 6.12",
		"5.10.262=PASS 6.1.192=FAIL 7.3.4=PASS":                  "kernels 5.10 to 7.3, not 6.1|6.1 is not declared: it fails on 6.1.192-amd64",
		"6.1.192=PASS 6.12.107=PASS 6.12.118=FAIL":               "kernels 6.1|6.12 is not declared: it fails on 6.12.118-amd64, though it passes on 6.12.107-amd64",
		"5.10.262=PASS 6.1.192=MISS 7.3.4=PASS":                  "kernels 5.10 to 7.3|6.1 is declared, and was not measured: there is no verdict on 6.1.192-amd64",
		"5.10.262=PASS 6.1.192=ERROR 6.1.193=PASS 7.3.4=PASS":    "kernels 5.10 to 7.3",
		"5.10.262=SKIP 6.1.192=PASS 7.3.4=SKIP":                  "kernels 6.1",
		"6.12.0-rc1=PASS 6.13.0-rc1=PASS 6.11.0=PASS =MISS":      "kernels 6.11 to 6.13",
		"5.10.262=FAIL 6.1.192=MISS":                             "no series of kernels passes in these results, so there is none to declare",
		"6.12.107=PASS 6.12.118=FAIL":                            "no series of kernels passes in these results, so there is none to declare",
		"5.9.1=PASS 5.10.1=PASS 5.11.1=FAIL 6.2.1=FAIL 6.3=PASS": "kernels 5.9 to 6.3, not 5.11, 6.2|5.11 is not declared: it fails on 5.11.1-amd64|6.2 is not declared: it fails on 6.2.1-amd64",
	} {
		m, err := Measured(resultsOf(words))
		got := strings.Join(append([]string{m.String()}, m.Notes...), "|")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", words, got, want)
		}
	}
	built := resultsOf("6.1.192=PASS")
	built.Records[0].Specs = nil
	if m, err := Measured(built); err != nil || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "of builds alone") {
		t.Errorf("%+v, %v", m, err)
	}
	two := resultsOf("6.1.192=PASS")
	two.Records = append(two.Records, two.Records[0])
	two.Records[1].Suite, two.Records[1].Status = "fifo", results.Fail
	if _, err := Measured(two); err == nil {
		t.Error("a kernel on which one suite fails is no pass")
	}
}

// The pattern matches the releases of each series of the range, and of no other.
func TestPatternMatchesTheRangeAlone(t *testing.T) {
	for _, m := range []Range{
		{Min: "5.10", Max: "7.3"},
		{Min: "6.1", Max: "6.1"},
		{Min: "6.9", Max: "6.12", Except: []string{"6.10"}},
		{Min: "4.4", Max: "7.0", Except: []string{"4.5", "4.19", "5.10", "6.0"}},
		{Min: "6.99", Max: "7.0"},
		{Min: "4.0", Max: "4.99", Except: []string{"4.0"}},
	} {
		lowest, _ := seriesOf(m.Min)
		highest, _ := seriesOf(m.Max)
		pattern := regexp.MustCompile(m.Pattern())
		if strings.ContainsAny(m.Pattern(), "$`\\\" ") {
			t.Errorf("%s: a shell expands %s", m, pattern)
		}
		for major := range 10 {
			for minor := range maxMinor + 1 {
				s := series{major, minor}
				want := compare(lowest, s) <= 0 && compare(s, highest) <= 0 && !strings.Contains(" "+strings.Join(m.Except, " ")+" ", " "+s.String()+" ")
				for _, release := range []string{s.String() + ".0-46-amd64", s.String() + ".118+deb13-amd64", s.String() + ".0-rc1"} {
					if got := pattern.MatchString(release); got != want {
						t.Fatalf("%s: %s matches %s: %v", m, pattern, release, got)
					}
				}
			}
		}
	}
	if got, want := (Range{Min: "5.10", Max: "7.3", Except: []string{"6.12"}}).Pattern(), "^(5[.][1-9][0-9]|6[.]([0-9]|1[013-9]|[2-9][0-9])|7[.][0-3])[.]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSeriesOf(t *testing.T) {
	for version, want := range map[string]string{"6.12.107": "6.12", "6.12": "6.12", "7.3.0-rc1": "7.3", "7.3-rc1": "7.3", "": "", "x.y": "", "6": "", "0.1": "", "6.100": "", "-1.2": ""} {
		s, ok := seriesOf(version)
		if got := fmt.Sprint(s); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %s, %v", version, got, ok)
		}
	}
}
