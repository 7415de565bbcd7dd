package debian

import (
	"strings"
	"testing"
	"time"
)

const someDates = "version,codename,series,created,release,eol,eol-lts,eol-elts\n" +
	"10,Buster,buster,2017-06-17,2019-07-06,2022-09-10,2024-06-30,2029-06-30\n" +
	"8,Jessie,jessie,2013-05-04,2015-04-26,2018-06-17\n" +
	"14,Forky,forky,2025-08-09\n" +
	",Sid,sid,1993-08-16\n" +
	"15,Broken,broken,x,yesterday\n"

func TestSupportOf(t *testing.T) {
	for release, want := range map[string]string{
		"buster": "2019-07-06 2024-06-30",
		"jessie": "2015-04-26 2018-06-17",
		"forky":  "0001-01-01 0001-01-01",
		"sid":    "0001-01-01 0001-01-01",
		"broken": "an error", "duke": "an error",
	} {
		begin, end, err := supportOf(strings.NewReader(someDates), release)
		got := begin.Format(time.DateOnly) + " " + end.Format(time.DateOnly)
		if err != nil {
			got = "an error"
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", release, got, want, err)
		}
	}
}

func TestPhases(t *testing.T) {
	day := func(text string) time.Time {
		d, err := date(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]struct {
		s    support
		want phase
	}{
		"nobody says":  {support{}, supported},
		"trouble":      {support{Unknown: "404"}, supported},
		"no date":      {support{From: "x"}, coming},
		"next year":    {support{From: "x", Begin: day("2027-07-01")}, coming},
		"released":     {support{From: "x", Begin: day("2025-07-01")}, supported},
		"its last day": {support{From: "x", Begin: day("2025-07-01"), End: day("2026-11-22")}, supported},
		"over":         {support{From: "x", Begin: day("2025-07-01"), End: day("2026-11-21")}, ended},
	} {
		if got := c.s.phase(day("2026-11-22").Add(12 * time.Hour)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzSupportOf(f *testing.F) {
	f.Add(someDates)
	f.Add("series,release\nsid,\"\n")
	f.Add("series\nsid\n\n,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, end, err := supportOf(strings.NewReader(text), "sid")
		if err == nil && !end.IsZero() && !strings.Contains(text, end.Format(time.DateOnly)) {
			t.Errorf("%v is nowhere in %q", end, text)
		}
	})
}
