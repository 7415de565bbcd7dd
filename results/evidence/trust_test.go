package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTrustLines(t *testing.T) {
	public := strings.TrimSpace(string(mustRead(t, newKey(t, "a comment", "")+".pub")))
	for line, want := range map[string]string{
		"alice@example.org KEY":                      "",
		"# a comment\n\n  alice@example.org,bob KEY": "",
		`"alice bob" KEY`:                            "",
		"alice\t  KEY":                               "",
		`alice namespaces="git,modmatrix-*",valid-after="20240101",valid-before="99991231235959Z" KEY`: "",
		`alice NAMESPACES="x" KEY`:         "",
		"alice":                            "it has no key",
		"alice ssh-ed25519 AAAA":           "no line of allowed signers",
		`"alice KEY`:                       "quotes of its principals",
		`alice no-such="x" KEY`:            `unknown option "no-such"`,
		`alice namespaces="" KEY`:          "namespaces is empty",
		`alice valid-after="tomorrow" KEY`: `"tomorrow" is no time`,
		`alice valid-after="20240230" KEY`: "is no time",
		`alice valid-after=20240101 KEY`:   "not in quotes",
		`alice valid-after="20240102",valid-before="20240101" KEY`: "no later",
		strings.Repeat("x", maxSignersLine+1):                      "longer than",
		"alice " + strings.Repeat("KEY ", 1) + "\x1b[2J":           "",
	} {
		_, err := parseTrust([]byte(strings.ReplaceAll(line, "KEY", public)), time.Now())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: got %v, want %s", line, err, want)
		}
	}
	if _, err := parseTrust(bytes.Repeat([]byte("#\n"), maxSigners), time.Now()); err == nil {
		t.Error("a file without end was taken")
	}
}

// Patterns fit as those of OpenSSH do (match.c).
func TestMatchList(t *testing.T) {
	for _, c := range []struct {
		text, list string
		want       bool
	}{
		{"a@b", "a@b", true}, {"a@b", "x,a@b", true}, {"a@b", "*@b", true}, {"a@b", "?@b", true}, {"a@b", "*", true}, {"a@b", "**b", true}, {"", "*", true},
		{"a@b", "", false}, {"a@b", "A@b", false}, {"a@b", "a@", false}, {"a@b", "?", false}, {"a@b", "*,!a@b", false}, {"a@b", "!a@b,*", false}, {"a@b", "!x", false}, {"a@b", "a@b*c", false},
		{strings.Repeat("a", 3000), strings.Repeat("*a", 500) + "b", false},
	} {
		if got := matchList(c.text, c.list); got != c.want {
			t.Errorf("%.20s in %.20s: %v", c.text, c.list, got)
		}
	}
}

// The list of a module's folder is a file in it, not one that it leads to.
func TestFindTrust(t *testing.T) {
	dir, key := t.TempDir(), newKey(t, "bob", "")
	if trust, err := FindTrust(dir, time.Now()); trust != nil || err != nil {
		t.Error(trust, err)
	}
	list := signersFile(t, "bob@example.org", key)
	if err := os.Symlink(list, filepath.Join(dir, SignersName)); err != nil {
		t.Fatal(err)
	}
	if _, err := FindTrust(dir, time.Now()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
	if trust, err := FindTrust(filepath.Dir(list), time.Now()); err != nil || len(trust.lines) != 1 {
		t.Error(trust, err)
	}
	if _, err := ReadTrust(filepath.Join(dir, "none"), time.Now()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func FuzzTrust(f *testing.F) {
	f.Add("alice@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFi x")
	f.Add(`"a b",!c namespaces="git",valid-before="20240101Z",cert-authority ssh-rsa AAAA`)
	f.Fuzz(func(t *testing.T, text string) {
		trust, err := parseTrust([]byte(text), time.Unix(0, 0))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		for _, a := range trust.lines {
			if a.principals == "" || a.key == nil {
				t.Errorf("%+v", a)
			}
			trust.of(a.key)
		}
	})
}

func TestParseTester(t *testing.T) {
	for text, good := range map[string]bool{
		"Alice Liddell <alice@example.org>": true, "Uwe Kleine-König (The Hub) <u.k+x@hub.example>": true, "A <a@b>": true, "J. R. O'Neil <j@b.c>": true,
		"alice@example.org": false, "<alice@example.org>": false, "Alice <alice>": false, "Alice <a@b> x": false, "Alice <a@b>\nAcked-by: Eve <e@b>": false, "A\u202eb <a@b>": false,
		`"Alice" <a@b>`: false, "Alice, Bob <a@b>": false, " Alice <a@b>": false, "Alice  <a@b>": false, "Alice <a@-b>": false, "Alice <a b@c>": false, strings.Repeat("A", 300) + " <a@b>": false,
	} {
		who, err := ParseTester(text)
		if (err == nil) != good || good && who.String() != text {
			t.Errorf("%q: %v, %v", text, who, err)
		}
	}
}
