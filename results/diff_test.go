package results

import (
	"fmt"
	"testing"
)

func TestDiffSaysWhatBecameOfACell(t *testing.T) {
	one := func(release string, status Status) Record {
		rec := cell(release, "lifecycle")
		if rec.Status = status; status == Fail {
			rec = rec.decided(Fail, StageTest, CodeOops, "it fell")
		}
		return rec
	}
	splat := func(print string) Record {
		rec := one("6.1.0-56-amd64", Fail)
		rec.Splats = []Splat{{Fingerprint: print}}
		rec.Reason = "what the console said at " + print // times and addresses differ from run to run
		return rec
	}
	same := splat("f1")
	same.Reason = "said otherwise"
	flaky := one("6.1.0-56-amd64", Fail)
	flaky.Flaky = true
	const old = "6.1.0-56-amd64"
	for _, tc := range []struct {
		what     string
		old, new []Record
		want     []ChangeKind
		exit     int
	}{
		{"nothing", []Record{one(old, Pass)}, []Record{one(old, Pass)}, nil, 0},
		{"regressed", []Record{one(old, Pass)}, []Record{one(old, Fail)}, []ChangeKind{Regressed}, 1},
		{"failed when it was first tested", []Record{one(old, Miss)}, []Record{one(old, Fail)}, []ChangeKind{Regressed}, 1},
		{"fixed", []Record{one(old, Fail)}, []Record{one(old, Pass)}, []ChangeKind{Fixed}, 0},
		{"not tested any more", []Record{one(old, Pass)}, []Record{one(old, Error)}, []ChangeKind{Lost}, 3},
		{"skipped now", []Record{one(old, Pass)}, []Record{one(old, Skip)}, []ChangeKind{Lost}, 3},
		{"tested again", []Record{one(old, Miss)}, []Record{one(old, Pass)}, []ChangeKind{Back}, 0},
		{"the same failure in other words", []Record{splat("f1")}, []Record{same}, nil, 0},
		{"another failure", []Record{splat("f1")}, []Record{splat("f2")}, []ChangeKind{Reason}, 0},
		{"flaky", []Record{one(old, Pass)}, []Record{flaky}, []ChangeKind{Flaky}, 0},
		{"new and gone", []Record{one(old, Pass)}, []Record{one("7.0.1-amd64", Pass)}, []ChangeKind{New, Gone}, 3},
		{"the next point release", []Record{one(old, Pass)}, []Record{one("6.1.9-57-amd64", Fail)}, []ChangeKind{Regressed}, 1},
		{"two where one was", []Record{one(old, Pass)}, []Record{one("6.1.8-57-amd64", Pass), one("6.1.9-57-amd64", Pass)}, []ChangeKind{New, New, Gone}, 3},
	} {
		a, b := &Results{Records: tc.old}, &Results{Records: tc.new}
		var kinds []ChangeKind
		since := Compare(a, b)
		for _, c := range since.Changes {
			kinds = append(kinds, c.Kind)
		}
		if fmt.Sprint(kinds) != fmt.Sprint(tc.want) || since.ExitCode() != tc.exit {
			t.Errorf("%s: %v, exit code %d, want %v and %d", tc.what, kinds, since.ExitCode(), tc.want, tc.exit)
		}
	}
}
