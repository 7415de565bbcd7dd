package results

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

const jane = "Jane Doe <jane@example.org>"

// brought is a file of evidence: a run of those cells, signed by key, which the author trusts where it is in capitals.
func brought(file, key string, cells ...Record) Testimony {
	r := &Results{Run: Run{ID: "run of " + file, Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Tool: "modmatrix 0.1.0", Host: Host{Arch: "x86_64", Accelerator: "kvm"}},
		Module: Module{Name: "mydriver", SourceDigest: "sha256:11"}, Records: cells}
	r.Finish()
	f := Testimony{File: file, Digest: "sha256:" + file, Trust: UnknownKey, Key: "SHA256:" + key, Results: r}
	switch {
	case key == "":
		f.Trust, f.Key = Unsigned, ""
	case strings.ToUpper(key) == key:
		f.Trust, f.Principal = TrustedKey, "somebody@"+key
	}
	return f
}

func bound(rec Record, id string) Record {
	rec.Hardware = []Device{{Bus: "usb", ID: id, Driver: "mydriver", Name: "Jane's phone", Description: "S:  Product=Jane's phone", Own: true}}
	return rec
}

func failed(rec Record) Record { return rec.decided(Fail, StageLoad, CodeOops, "it fell") }

func collected(t *testing.T, own *Results, files ...Testimony) *Collection {
	t.Helper()
	c, err := Collect(own, "", files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a file comes to, and what the testers come to by it.
func TestWhatCounts(t *testing.T) {
	pass := cell("6.1.0-amd64", "lifecycle", specs(3)...)
	other, own, again, stolen, changed := brought("d", "D", pass), brought("e", "E", pass), brought("f", "A", pass), brought("g", "G", pass), brought("h", "H", pass)
	other.Results.Module.SourceDigest = "sha256:99"
	own.Results.Run.ID = "r1"
	again.Results.Run.ID, stolen.Results.Run.ID = "run of a", "run of a"
	changed.Results, changed.Refused = nil, errors.New("a byte was changed")
	twin := brought("i", "A", pass)
	twin.Digest = "sha256:a"
	for _, tc := range []struct {
		files []Testimony
		uses  string // of the files in the order of their names
		tally Tally
		code  int
	}{
		{[]Testimony{brought("a", "A", pass)}, "counted", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "a", pass)}, "counted", Tally{Unknown: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "", pass)}, "unsigned", Tally{}, ExitPass},
		{[]Testimony{brought("a", "A", failed(pass)), brought("b", "b", pass)}, "counted counted", Tally{Trusted: 1, Unknown: 1, Works: 1, Fails: 1}, ExitFail},
		{[]Testimony{brought("a", "A", pass), other}, "counted other-source", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "A", pass), own}, "counted own", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "A", pass), again, twin}, "counted duplicate duplicate", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "A", pass), stolen}, "counted refused", Tally{Trusted: 1, Works: 1}, ExitTrouble},
		{[]Testimony{brought("a", "A", pass), changed}, "counted refused", Tally{Trusted: 1, Works: 1}, ExitTrouble},
		{[]Testimony{brought("a", "A", pass), brought("b", "A", pass)}, "counted counted", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "A", pass), brought("b", "A", failed(pass))}, "counted counted", Tally{}, ExitTrouble},
		{[]Testimony{brought("a", "A", bound(pass, "1:2")), brought("b", "A", bound(failed(pass), "1:3"))}, "counted counted", Tally{Trusted: 1, Fails: 1, Devices: 2}, ExitFail},
		{[]Testimony{brought("a", "A", pass), brought("b", "A", pass.decided(Miss, StageFetch, CodeInfra, "no network"))}, "counted counted", Tally{Trusted: 1, Works: 1}, ExitPass},
		{[]Testimony{brought("a", "A", pass.decided(Error, StageBoot, CodeInfra, "QEMU was killed"))}, "counted", Tally{Trusted: 1, Neither: 1}, ExitTrouble},
	} {
		mine := everything()
		mine.Records = mine.Records[4:5] // a PASS
		mine.Finish()
		c := collected(t, mine, tc.files...)
		var uses []string
		for _, f := range c.Files {
			uses = append(uses, string(f.Use))
		}
		if got := strings.Join(uses, " "); got != tc.uses || c.Tally.numbers() != tc.tally.numbers() || c.ExitCode() != tc.code {
			t.Errorf("%v: %s, %+v, exit code %d; want %s, %+v, %d", tc.files, got, c.Tally, c.ExitCode(), tc.uses, tc.tally, tc.code)
		}
	}
}

// A PASS and a FAIL of one tester for one cell: both files are named, and neither counts.
func TestContradictionsAreNamed(t *testing.T) {
	pass, more := cell("6.1.0-amd64", "lifecycle"), cell("6.12.0-amd64", "lifecycle")
	c := collected(t, everything(), brought("second", "a", failed(pass)), brought("first", "a", pass, more))
	if len(c.Conflicts) != 1 || strings.Join(c.Conflicts[0].Files, " ") != "first second" || c.Conflicts[0].Target.Release != "6.1.0-amd64" {
		t.Errorf("%+v", c.Conflicts)
	}
	if len(c.Testers) != 1 || len(c.Testers[0].Records) != 1 || c.Testers[0].Records[0].Target.Release != "6.12.0-amd64" {
		t.Errorf("%+v", c.Testers)
	}
}

// Two keys that the author listed for one person are one tester; two keys of strangers are two.
func TestATesterIsAPrincipalOrAKey(t *testing.T) {
	pass, more := cell("6.1.0-amd64", "lifecycle"), cell("6.12.0-amd64", "lifecycle")
	laptop, desk := brought("a", "A", pass), brought("b", "B", more)
	desk.Principal = laptop.Principal
	if c := collected(t, everything(), laptop, desk); c.Tally.Trusted != 1 || len(c.Testers[0].Records) != 2 {
		t.Errorf("%+v", c.Testers)
	}
	if c := collected(t, everything(), brought("a", "a", pass), brought("b", "b", more)); c.Tally.Unknown != 2 {
		t.Errorf("%+v", c.Tally)
	}
}

// It does not matter in which order files are read, and what was written reads the same.
func TestCollectInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var files []Testimony
	for i := range 12 {
		key := string("AbCdE"[i%5])
		rec := bound(cell(fmt.Sprintf("6.%d.0-amd64", i%7), "lifecycle", specs(i)...), fmt.Sprintf("1234:%04d", i%3))
		if i%4 == 0 {
			rec = failed(rec)
		}
		files = append(files, brought(fmt.Sprint("file ", i), key, rec))
	}
	write := func(c *Collection) string {
		var b bytes.Buffer
		if err := c.JSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := write(collected(t, everything(), files...))
	for range 10 {
		random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		if write(collected(t, everything(), files...)) != want {
			t.Fatal("another order gives another collection")
		}
	}
	back, err := DecodeCollection(strings.NewReader(want))
	if err != nil || write(back) != want {
		t.Errorf("it does not read as it was written: %v", err)
	}
	if err := valid(t, "collection.schema.json", []byte(want)); err != nil {
		t.Error(err)
	}
}

// Without results of the author's own, evidence of several sources cannot be collected.
func TestCollectWithoutOwn(t *testing.T) {
	pass := cell("6.1.0-amd64", "lifecycle")
	other := brought("b", "B", pass)
	other.Results.Module.SourceDigest = "sha256:99"
	if c, err := Collect(nil, "sha256:99", []Testimony{brought("a", "A", pass), other}); err != nil || c.Tally.Works != 1 || c.Tally.Files[UseSource] != 1 || c.Module.SourceDigest != "sha256:99" {
		t.Errorf("%v: %+v", err, c)
	}
	if c := collected(t, nil, brought("a", "A", pass)); c.Module.Name != "mydriver" || c.Tally.Works != 1 || c.ExitCode() != ExitPass {
		t.Errorf("%+v", c)
	}
	for want, files := range map[string][]Testimony{"several sources (sha256:11, sha256:99)": {brought("a", "A", pass), other}, "no evidence": {{File: "x", Refused: errors.New("broken")}}} {
		if _, err := Collect(nil, "", files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A name is told of whom the author trusts, and who signed that they may be named for this source; and of nobody by what their
// devices are called.
func TestNamesNeedConsent(t *testing.T) {
	pass := bound(cell("6.1.0-amd64", "lifecycle"), "1:2")
	for key, named := range map[string]bool{"": false, "a": false, "A": true} {
		for _, name := range []string{jane, "Jane <jane@example.org>\nAcked-by: X <x@example.org>", "jane@example.org", "Jane <jane@example.org> # x"} {
			f := brought("a", key, pass)
			f.TestedBy = name
			old := f
			old.File, old.Digest, old.TestedBy = "old", "sha256:old", jane
			r := *f.Results
			r.Module.SourceDigest = "sha256:99"
			old.Results = &r
			c := collected(t, everything(), f, old)
			var b bytes.Buffer
			if err := c.JSON(&b); err != nil {
				t.Fatal(err)
			}
			if want := named && name == jane; strings.Contains(strings.ToLower(b.String()), "jane") != want {
				t.Errorf("key %q, %q: named %v, want %v", key, name, !want, want)
			}
		}
	}
}

// A collection that somebody wrote by hand is held to the same.
func TestCollectionsOfStrangers(t *testing.T) {
	for want, spoil := range map[string]func(*Collection){
		"cannot be named":   func(c *Collection) { c.Testers[0].Trust = UnknownKey },
		"or counted":        func(c *Collection) { c.Testers[0].Trust = Unsigned },
		"unknown status":    func(c *Collection) { c.Testers[0].Records[0].Status = "MAYBE" },
		"the tally":         func(c *Collection) { c.Tally.Works = 40 },
		"unknown use":       func(c *Collection) { c.Files[0].Use = "liked" },
		"own results":       func(c *Collection) { c.Own.Records[0].Status = "MAYBE" },
		"no collection":     func(c *Collection) { c.Schema = "modmatrix.collection/v2" },
		"cannot be named o": func(c *Collection) { c.Testers[0].TestedBy = "Jane\n<j@x.y>" },
	} {
		f := brought("a", "A", cell("6.1.0-amd64", "lifecycle"))
		f.TestedBy = jane
		c := collected(t, everything(), f)
		spoil(c)
		doc, err := indented(c, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCollection(bytes.NewReader(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzDecodeCollection(f *testing.F) {
	c, err := Collect(everything(), "", []Testimony{brought("a", "A", bound(cell("6.1.0-amd64", "lifecycle"), "1:2")), brought("b", "", cell("6.1.0-amd64", "lifecycle"))})
	if err != nil {
		f.Fatal(err)
	}
	var doc bytes.Buffer
	if err := c.JSON(&doc); err != nil {
		f.Fatal(err)
	}
	f.Add(doc.Bytes())
	f.Add([]byte(`{"schema":"modmatrix.collection/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeCollection(bytes.NewReader(data))
		if err != nil {
			return
		}
		c.ExitCode()
		c.Kernels()
		var again bytes.Buffer
		if err := c.JSON(&again); err != nil {
			t.Fatal(err)
		}
		if back, err := DecodeCollection(&again); err != nil || back.ExitCode() != c.ExitCode() {
			t.Errorf("%v", err)
		}
	})
}

// Results of one plan are merged, those of others stand beside.
func TestJoin(t *testing.T) {
	half := func(run string, n int) *Results {
		return shardOf(run, n, 2, func(c int) Status { return map[bool]Status{true: Pass}[c%2 == n-1] })
	}
	debug := everything()
	debug.Module, debug.Run.ID, debug.Run.PlanDigest = half("x", 1).Module, "debug", "sha256:77"
	joined, _, err := Join([]Part{{"a", half("a", 1)}, {"b", half("b", 2)}, {"debug", debug}})
	if err != nil || len(joined.Records) != 8+len(debug.Records) || joined.Summary[Miss] != debug.Summary[Miss] {
		t.Errorf("%v: %v", err, joined)
	}
	if alone, _, err := Join([]Part{{"debug", debug}}); err != nil || !reflect.DeepEqual(alone, debug) {
		t.Errorf("%v: %v", err, alone)
	}
	debug.Module.SourceDigest = "sha256:99"
	if _, _, err := Join([]Part{{"a", half("a", 1)}, {"debug", debug}}); err == nil || !strings.Contains(err.Error(), "debug is of the source sha256:99") {
		t.Errorf("%v", err)
	}
}
