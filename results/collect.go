package results

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Testimony is a file of evidence as it was opened and verified. It holds more than may be told: only Collect decides what is.
type Testimony struct {
	File      string // its name, as the author knows it
	Digest    string // "sha256:…"
	Trust     Trust
	Key       string   // fingerprint of the key that signed, SHA256:…; empty: it is not signed
	Principal string   // whom the author's list names for that key; empty: nobody
	TestedBy  string   // "Name <mail>" of the signed consent to a Tested-by; empty: there is none
	Results   *Results // nil where it is refused
	Refused   error    // why it is no evidence; nil: it is
}

// Collect adds evidence up beside the author's own results, nil where there are none. It does not matter in which order the files
// come. What counts is signed, of a run that is not there twice, and of one source: that of own, or else source, or where that is empty
// the only one that there is. A tester is a key, or all keys with the same principal. Of a cell that a tester's files have several times, a PASS or FAIL
// counts more than a run that broke; a PASS and a FAIL of the same cell with the same devices contradict each other, and neither
// counts. Names are those of trusted testers that consented, for that source.
func Collect(own *Results, source string, files []Testimony) (*Collection, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, compareTestimony)
	c := &Collection{Schema: CollectionSchema, Own: own}
	err := c.choose(source, files)
	if err != nil {
		return nil, err
	}
	sift := sifter{source: c.Module.SourceDigest, digests: map[string]bool{}, runs: map[string]string{}}
	if own != nil {
		for _, o := range own.origins() {
			sift.runs[o.Run] = ofAuthor
		}
	}
	var counted []Testimony
	for _, f := range files {
		use, why := sift.use(f)
		if use == UseCounted {
			counted = append(counted, f)
		}
		c.Files = append(c.Files, Evidence{f.File, f.Digest, f.Trust, f.Key, use, why})
	}
	slices.SortStableFunc(c.Files, func(a, b Evidence) int { return strings.Compare(a.Name, b.Name) })
	for _, same := range grouped(counted, Testimony.who) {
		c.add(same)
	}
	c.Tally = c.count()
	return c, nil
}

func compareTestimony(a, b Testimony) int {
	first := cmp.Or(cmp.Compare(slices.Index(trusts, a.Trust), slices.Index(trusts, b.Trust)), strings.Compare(a.Key, b.Key))
	if first == 0 && a.Results != nil && b.Results != nil {
		first = a.Results.Run.Started.Compare(b.Results.Run.Started)
	}
	return cmp.Or(first, strings.Compare(a.Digest, b.Digest), strings.Compare(a.File, b.File))
}

// choose decides what source the collection is about.
func (c *Collection) choose(source string, files []Testimony) error {
	if c.Own != nil {
		c.Module = c.Own.Module
		return nil
	}
	c.Module.SourceDigest = source
	for _, f := range files {
		if f.Refused != nil || source != "" && f.Results.Module.SourceDigest != source {
			continue
		}
		switch m := f.Results.Module; {
		case c.Module.Name == "" && (c.Module.SourceDigest == "" || c.Module.SourceDigest == m.SourceDigest):
			c.Module = m
			c.Module.Claims = nil // held against one tester's kernels
		case c.Module.SourceDigest != m.SourceDigest:
			return fmt.Errorf("there is evidence of several sources (%s, %s): say which one counts with --module or --own", Plain(c.Module.SourceDigest), Plain(m.SourceDigest))
		}
	}
	if c.Module.SourceDigest == "" {
		return errors.New("there is no evidence that can be read, no module here, and no results of your own")
	}
	return nil
}

// ofAuthor stands for the author among those who made runs.
const ofAuthor = "the author"

// sifter decides what counts.
type sifter struct {
	source  string
	digests map[string]bool
	runs    map[string]string // who made them, by their ids
}

func (s *sifter) use(f Testimony) (Use, string) {
	if f.Refused != nil {
		return UseRefused, Plain(f.Refused.Error())
	}
	if f.Results.Module.SourceDigest != s.source {
		return UseSource, "of the source " + Plain(f.Results.Module.SourceDigest)
	}
	if s.digests[f.Digest] {
		return UseDuplicate, "the same file is there already"
	}
	s.digests[f.Digest] = true
	again := ""
	for _, o := range f.Results.origins() {
		again = cmp.Or(again, s.runs[o.Run])
	}
	switch {
	case again == ofAuthor:
		return UseOwn, "a run of your own"
	case f.Trust == Unsigned:
		return UseUnsigned, "nobody signed it"
	case again != "" && again != f.who():
		return UseRefused, "the run is that of another key"
	case again != "":
		return UseDuplicate, "the same run is there already"
	}
	for _, o := range f.Results.origins() {
		s.runs[o.Run] = f.who()
	}
	return UseCounted, ""
}

// who is the same for all files of a tester.
func (f Testimony) who() string {
	if f.Trust == TrustedKey && f.Principal != "" {
		return "principal " + f.Principal
	}
	return "key " + f.Key
}

// add makes a tester of all that one brought, in the order of time.
func (c *Collection) add(files []Testimony) {
	t := Tester{Key: files[0].Key, Trust: files[0].Trust, Host: files[0].Results.Run.Host}
	var said []claim
	for _, f := range files {
		if f.Trust == TrustedKey && IsPerson(f.TestedBy) {
			t.TestedBy = f.TestedBy // the last word
		}
		for _, rec := range f.Results.Records {
			said = append(said, claim{f.File, rec})
		}
	}
	for _, same := range grouped(said, claim.cell) {
		best, contradicted := settle(same)
		if !contradicted {
			t.Records = append(t.Records, best.testified())
			continue
		}
		conflict := Conflict{Key: t.Key, Target: best.Target, Suite: best.Suite}
		for _, s := range same {
			conflict.Files = append(conflict.Files, s.file)
		}
		slices.Sort(conflict.Files)
		conflict.Files = slices.Compact(conflict.Files)
		c.Conflicts = append(c.Conflicts, conflict)
	}
	r := Results{Records: t.Records}
	r.order()
	r.Finish()
	t.Records = r.Records
	for _, rec := range t.Records {
		t.Verdict = t.Verdict.Worse(rec.Status)
	}
	if len(t.Records) > 0 {
		c.Testers = append(c.Testers, t)
	}
}

// claim is what a file says of a cell.
type claim struct {
	file string
	rec  Record
}

type testedCell struct {
	record  recordKey
	devices string
}

// cell is what two files of a tester must agree on: with another device in it, the same kernel is another question.
func (s claim) cell() testedCell {
	var ids []string
	for _, d := range s.rec.RealDevices() {
		ids = append(ids, d.Bus+":"+d.ID)
	}
	key := s.rec.key()
	key.target.MoreMiB = 0
	return testedCell{key, strings.Join(ids, " ")}
}

// settle says which of a tester's records of one cell counts, and whether they contradict each other.
func settle(same []claim) (best Record, contradicted bool) {
	place := []Status{Fail, Pass, Error, Miss, Skip}
	for i, s := range same {
		if i == 0 || slices.Index(place, s.rec.Status) < slices.Index(place, best.Status) {
			best = s.rec
		}
	}
	has := func(want Status) bool {
		return slices.ContainsFunc(same, func(s claim) bool { return s.rec.Status == want })
	}
	return best, has(Fail) && has(Pass)
}

// testified is rec without what lies beside it in the file that it came in, and without what devices call themselves: that may
// be the name of whoever owns them.
func (rec Record) testified() Record {
	rec.Artifacts, rec.Tries = Artifacts{}, slices.Clone(rec.Tries)
	for i := range rec.Tries {
		rec.Tries[i].Artifacts = Artifacts{}
	}
	rec.Hardware = slices.Clone(rec.Hardware)
	for i := range rec.Hardware {
		rec.Hardware[i].Name, rec.Hardware[i].Description = "", ""
	}
	rec.Past, rec.Origin, rec.Others, rec.Kept, rec.InTreeRun = nil, nil, nil, nil, nil
	return rec
}

// grouped puts items of one key together, in the order of the first of each.
func grouped[T any, K comparable](items []T, key func(T) K) (groups [][]T) {
	at := map[K]int{}
	for _, item := range items {
		k := key(item)
		if _, ok := at[k]; !ok {
			at[k] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[k]] = append(groups[at[k]], item)
	}
	return groups
}

// person matches a name with a mail address as a trailer has them.
var person = regexp.MustCompile(`^[^<>@"#\\]*[^<>@"#\\ ] <[^<>@" ]+@[^<>@" ]+>$`)

// IsPerson reports whether s names a person as a trailer does, "Name <mail>", and is nothing else.
func IsPerson(s string) bool { return len(s) <= 200 && person.MatchString(s) && Plain(s) == s }
