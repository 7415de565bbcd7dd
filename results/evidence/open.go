package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/modmatrix/modmatrix/results"
)

// State says whose word an evidence file is.
type State string

// The states.
const (
	Unsigned State = "unsigned" // anybody may have written it
	Unknown  State = "unknown"  // it is signed, by a key that the author does not list
	Trusted  State = "trusted"  // it is signed by one whom the author lists
)

// Evidence is an evidence file that holds together: every byte is as it was written and, where it is signed, as it was signed.
type Evidence struct {
	Path    string           `json:"file"`   // as it was given
	Digest  string           `json:"digest"` // of the file: "sha256:…"
	Results *results.Results `json:"-"`      // each file that its artifacts name is in Files
	Files   []Entry          `json:"-"`      // in the order of their names
	Source  string           `json:"source"` // digest of the source that was tested, as results.Module has it
	State   State            `json:"state"`
	Key     string           `json:"key,omitempty"`       // fingerprint of the key that signed it; empty: unsigned
	Who     string           `json:"principal,omitempty"` // whose key that is: principals of the list; empty: not trusted
	Why     string           `json:"why,omitempty"`       // what keeps it from being trusted, or its tester from being named; empty: nothing

	// Tester is who agreed, inside what was signed, to be named as having tested Source; nobody where Consent is false. Of a key that is
	// listed it counts only with an address that the list has for it.
	Tester  Tester `json:"tester,omitzero"`
	Consent bool   `json:"consent"`

	Shown Shown `json:"shown"` // what the tester was shown

	listed string // the principals of its key; empty: not trusted
}

// Bounds of what is read of an evidence file, in bytes.
const (
	maxResults   = 32 << 20
	maxStatement = 8 << 20
	maxSmall     = 256 << 10
)

// ResultsName and ShownName are files of every evidence file.
const (
	ResultsName = results.FileName
	ShownName   = "shown.json"
)

var kept = map[string]int64{ResultsName: maxResults, ShownName: maxSmall, EnvelopeName: maxStatement, SignedName: maxStatement, SignatureName: maxSmall}

// Open reads the evidence file at path, and holds it to what it says of itself. Who is trusted says whose word it is; nil trusts
// nobody. What is wrong with the file is an *Error.
func Open(ctx context.Context, path string, trust *Trust) (*Evidence, error) {
	e, err := open(ctx, path, trust)
	if d, ok := errors.AsType[*damage](err); ok {
		err = &Error{Problem: d.Error(), Cure: "do not count it, and ask its tester for another"}
	}
	if wrong, ok := errors.AsType[*Error](err); ok {
		wrong.Path = path
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

func open(ctx context.Context, path string, trust *Trust) (*Evidence, error) {
	in, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	m, err := Read(ctx, in, info.Size(), EvidenceSchema, EvidenceLimits, func(f Entry, content io.Reader) (err error) {
		if most, ok := kept[f.Name]; ok {
			if f.Size > most {
				return wrong("holds %q of more than %d KiB", f.Name, most>>10)
			}
			files[f.Name], err = io.ReadAll(content)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(in, 0, info.Size())); err != nil {
		return nil, err
	}
	e := &Evidence{Path: path, Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Files: m.Files}
	if err := e.decode(m, files); err != nil {
		return nil, err
	}
	return e, e.judge(files, trust)
}

// decode reads what is in it, and believes none of it yet.
func (e *Evidence) decode(m Manifest, files map[string][]byte) (err error) {
	if err := countable(files[ResultsName]); err != nil {
		return err
	}
	if e.Results, err = results.Decode(bytes.NewReader(files[ResultsName])); err != nil {
		return wrong("holds results that cannot be believed: %s", shown(err.Error()))
	}
	e.Source = e.Results.Module.SourceDigest
	if !sourceDigest.MatchString(e.Source) {
		return wrong("holds results that do not say which source they are of")
	}
	if json.Unmarshal(files[ShownName], &e.Shown) != nil {
		return wrong("does not say what its tester was shown")
	}
	if m.Tool != shown(e.Results.Run.Tool) || m.Body != nil {
		return wrong("says something in its manifest that no run wrote")
	}
	if len(e.Results.Run.Merged) > 0 {
		return wrong("holds results of several runs")
	}
	there := map[string]bool{}
	for _, f := range e.Files {
		there[f.Name] = true
	}
	for _, rec := range e.Results.Records {
		for _, name := range rec.Files() {
			if !there[name] {
				return wrong("lacks %q, which its results name", shown(name))
			}
		}
	}
	return nil
}

// judge says whose word it is.
func (e *Evidence) judge(files map[string][]byte, trust *Trust) error {
	e.State, e.Why = Unsigned, "anybody may have written it"
	if files[EnvelopeName] == nil {
		if files[SignedName] != nil || files[SignatureName] != nil {
			return wrong("has a signature without its envelope")
		}
		return nil
	}
	s, key, err := verified(files)
	if err != nil {
		return err
	}
	content := slices.DeleteFunc(slices.Clone(e.Files), func(f Entry) bool { return isSignature(f.Name) })
	if err := s.check(e.Results, content); err != nil {
		return err
	}
	e.Key = ssh.FingerprintSHA256(key)
	lists, why := trust.of(key)
	e.State, e.Why = Unknown, why
	if lists != nil {
		e.listed = strings.Join(lists, ",")
		e.State, e.Who = Trusted, results.Plain(e.listed)
	}
	return e.consent(s.Subject[0].Annotations, lists)
}

// consent takes the tester's agreement to be named.
func (e *Evidence) consent(a *Annotations, lists []string) error {
	if a == nil || a.TestedBy == "" {
		return nil
	}
	who, err := ParseTester(a.TestedBy)
	if err != nil {
		return wrong("names its tester in a way that no trailer can hold: %s", err)
	}
	if e.State == Trusted && !slices.ContainsFunc(lists, func(list string) bool { return matchList(who.Mail, list) }) {
		e.Why = "the list has this key for " + e.Who + ", and not for " + who.Mail + ": nobody is named"
		return nil
	}
	if e.State == Trusted {
		e.Who = who.Mail
	}
	e.Tester, e.Consent = who, true
	return nil
}

func isSignature(name string) bool {
	return name == EnvelopeName || name == SignedName || name == SignatureName
}

// maxValues bounds how many values results may hold: what a list takes in memory is a multiple of its text.
const maxValues = 400_000

// countable refuses results that would take much more memory than they are long: objects without end, and lists of nothing, which no
// run writes.
func countable(text []byte) error {
	objects, inText, before := 0, false, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText, before = !inText, c
		case inText, c == ' ', c == '\t', c == '\n', c == '\r':
		case c == 'n' && (before == '[' || before == ','):
			return wrong("holds results with a list of nothing")
		default:
			if before = c; c == '{' {
				objects++
			}
		}
	}
	if objects > maxValues {
		return wrong("holds results of more than %d values", maxValues)
	}
	return nil
}
