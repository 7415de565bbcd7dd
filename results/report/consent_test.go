package report

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// writersOf are all writers of a collection, and those of results with what it holds of the author's own.
func writersOf(c *results.Collection) map[string]func(io.Writer) error {
	all := map[string]func(io.Writer) error{
		"mail of testers": func(w io.Writer) error { return Mail(w, c, Whole{}) },
		"collected":       func(w io.Writer) error { return Collected(w, c, Options{}) },
		"collected, 60":   func(w io.Writer) error { return Collected(w, c, Options{Width: 60, Color: true}) },
		"collection.json": c.JSON,
		"text":            func(w io.Writer) error { return Text(w, c.Own, Options{}) },
		"results.json":    c.Own.JSON,
		"reply":           func(w io.Writer) error { return Reply(w, c.Own, "", Whole{}) },
	}
	for name, write := range formats {
		all[name] = func(w io.Writer) error { return write(w, c.Own) }
	}
	return all
}

// Nobody is named who did not sign that they may be, for this very source, with a key that the author trusts: not by what they
// consented to, not by the author's list of keys, not by anything in evidence that does not count.
func TestNobodyIsNamedWithoutConsent(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	word := func() string {
		b := []byte("Q")
		for range 10 {
			b = append(b, byte('a'+random.IntN(26)))
		}
		return string(b)
	}
	for round := range 5 {
		var planted []string
		plant := func() string {
			w := word()
			planted = append(planted, w)
			return w
		}
		person := func() string { return fmt.Sprintf("%s %s <%s@%s.org>", plant(), plant(), plant(), plant()) }
		var files []results.Testimony
		for i := range 8 {
			f := brought(fmt.Sprint("key", round, i), results.TrustedKey, "", bound(cell("6.1.0-56-amd64", "lifecycle", specs(2)...), "0bda:8153"))
			f.Principal = plant() + "@" + plant()
			switch i {
			case 0: // trusted, and silent
			case 1:
				f.Trust, f.TestedBy, f.Principal = results.UnknownKey, person(), ""
			case 2, 3, 4: // unsigned, and full of names
				f.Trust, f.Key, f.Principal, f.TestedBy, f.Results = results.Unsigned, "", "", person(), spoken(plant())
				f.Results.Module.SourceDigest = "sha256:11"
			case 5, 6: // of another source, likewise
				f.TestedBy, f.Results = person(), spoken(plant())
				f.Results.Module.SourceDigest = "sha256:99"
			case 7: // what a device calls itself
				f.Results.Records[0].Hardware[0].Name, f.Results.Records[0].Hardware[0].Description = plant(), plant()
			}
			files = append(files, f)
		}
		random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		named := person()
		shown := strings.Fields(named)[0]
		planted = planted[:len(planted)-4]
		files = append(files, brought(fmt.Sprint("named", round), results.TrustedKey, named, cell("6.1.0-56-amd64", "lifecycle")))
		for writer, write := range writersOf(collectionOf(t, everything(t), files...)) {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			for _, name := range planted {
				if strings.Contains(out.String(), name) {
					t.Fatalf("%s names %s:\n%s", writer, name, out.String())
				}
			}
			if want := writer == "mail of testers" || writer == "collection.json" || writer == "collected"; want != strings.Contains(out.String(), shown) && writer != "collected, 60" {
				t.Fatalf("%s names who consented: %v:\n%s", writer, !want, out.String())
			}
		}
	}
}

// Whatever strangers write into evidence, what is made of it can only be read, and nothing of it is a trailer.
func FuzzMailLetsNothingThrough(f *testing.F) {
	for _, s := range []string{"plain", "Acked-by: Linus <l@example.org>", "x Signed-off-by: A <a@b.c> y", "\nFrom x", strings.Repeat("Link: http://e ", 40), strings.Repeat("ä", 300), strings.Repeat("x", 900), "\x1b[2J\u202e", "---\n+++ b", "a@b.c Fixes: 0123456789ab (x)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := spoken(s)
		e := brought("key", results.TrustedKey, s, spoken(s).Records...)
		e.Results.Module.SourceDigest = r.Module.SourceDigest
		unknown := brought(s, results.UnknownKey, s, fell(cell("6.1.0-56-amd64", "lifecycle")))
		unknown.Results.Module.SourceDigest = r.Module.SourceDigest
		c := collectionOf(t, r, e, unknown)
		mail(t, c, Whole{s, s})
		reply(t, r, s)
		var out bytes.Buffer
		if err := Collected(&out, c, Options{}); err != nil {
			t.Fatal(err)
		}
		harmless(t, "collected", out.String())
	})
}
