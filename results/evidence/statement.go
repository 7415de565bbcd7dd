package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// A statement is what a tester signs: an in-toto test result (https://in-toto.io/attestation/test-result/v0.1) about the source
// that was tested, with the digest of every file of the evidence. in-toto's own Go types would bring protobuf for these few fields.

const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://in-toto.io/attestation/test-result/v0.1"
	payloadType   = "application/vnd.in-toto+json"
)

// Statement is an in-toto statement of one test result.
type Statement struct {
	Type          string       `json:"_type"`
	Subject       []Descriptor `json:"subject"` // the tested source, and nothing else
	PredicateType string       `json:"predicateType"`
	Predicate     TestResult   `json:"predicate"`
}

// TestResult is the predicate.
type TestResult struct {
	Result        Result       `json:"result"`
	Configuration []Descriptor `json:"configuration"` // the files of the evidence by their names, and the kernels' configurations
	PassedTests   []string     `json:"passedTests,omitempty"`
	WarnedTests   []string     `json:"warnedTests,omitempty"` // neither passed nor failed, and should have
	FailedTests   []string     `json:"failedTests,omitempty"`
}

// Result is what a run came to, in in-toto's words.
type Result string

// The results: as the exit codes 0, 3 and 1.
const (
	Passed Result = "PASSED"
	Warned Result = "WARNED"
	Failed Result = "FAILED"
)

// Descriptor names something by its digest.
type Descriptor struct {
	Name        string            `json:"name,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"` // by algorithm, in hexadecimal digits
	Annotations *Annotations      `json:"annotations,omitempty"`
}

// Annotations are what is said of a subject.
type Annotations struct {
	TestedBy string `json:"testedBy,omitempty"` // "Name <mail>" of whoever lets this source say so; empty: nobody does
}

var sourceDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// newStatement is what is to be said of res, which lie in files.
func newStatement(res *results.Results, files []Entry, by Tester) (Statement, error) {
	if !sourceDigest.MatchString(res.Module.SourceDigest) {
		return Statement{}, errors.New("the results do not say which source they are of")
	}
	subject := Descriptor{Name: strings.TrimSpace(res.Module.Name + " " + res.Module.Version), Digest: map[string]string{"sha256": bare(res.Module.SourceDigest)}}
	if git := res.Module.Git; git != nil && !git.Dirty && isHex(git.Commit) {
		subject.Digest["gitCommit"] = git.Commit
	}
	if by != (Tester{}) {
		subject.Annotations = &Annotations{TestedBy: by.String()}
	}
	s := Statement{Type: statementType, Subject: []Descriptor{subject}, PredicateType: predicateType,
		Predicate: TestResult{Result: resultOf(res), Configuration: []Descriptor{}}}
	for _, f := range files {
		s.Predicate.Configuration = append(s.Predicate.Configuration, Descriptor{Name: f.Name, Digest: map[string]string{"sha256": f.SHA256}})
	}
	for _, rec := range res.Records {
		s.Predicate.add(rec)
	}
	return s, nil
}

func bare(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != ""
}

func resultOf(res *results.Results) Result {
	switch res.ExitCode() {
	case results.ExitPass:
		return Passed
	case results.ExitFail:
		return Failed
	}
	return Warned
}

// add counts a cell to its list. One that does not apply is in none.
func (t *TestResult) add(rec results.Record) {
	name := rec.Target.Arch + "." + rec.Target.Label() + "." + rec.Suite
	switch rec.Status {
	case results.Pass:
		t.PassedTests = append(t.PassedTests, name)
	case results.Fail:
		t.FailedTests = append(t.FailedTests, name)
	case results.Skip:
	default:
		t.WarnedTests = append(t.WarnedTests, name)
	}
	kernel := Descriptor{Name: "kernel " + rec.Target.Label() + " " + rec.Target.Arch, Digest: map[string]string{"sha256": bare(rec.Target.ConfigDigest)}}
	if sourceDigest.MatchString(rec.Target.ConfigDigest) && !slices.ContainsFunc(t.Configuration, func(d Descriptor) bool { return d.Name == kernel.Name }) {
		t.Configuration = append(t.Configuration, kernel)
	}
}

// encode is one line that shows what it says.
func (s Statement) encode() ([]byte, error) {
	var text, plain bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	_, err := results.PlainJSON(&plain).Write(bytes.TrimSpace(text.Bytes()))
	return plain.Bytes(), err
}

// check holds a statement that was signed against the results and the files that it came with.
func (s Statement) check(res *results.Results, files []Entry) error {
	if s.Type != statementType || s.PredicateType != predicateType || len(s.Subject) != 1 {
		return wrong("is signed, but for no test result of one source")
	}
	want, err := newStatement(res, files, Tester{})
	switch {
	case err != nil:
		return wrong("holds results that do not say which source they are of")
	case s.Subject[0].Digest["sha256"] != want.Subject[0].Digest["sha256"]:
		return wrong("is signed for the source %s, and its results are of %s", brief(s.Subject[0].Digest["sha256"]), brief(want.Subject[0].Digest["sha256"]))
	}
	signed := map[string]string{}
	for _, d := range s.Predicate.Configuration {
		signed[d.Name] = d.Digest["sha256"]
	}
	for _, f := range files {
		if signed[f.Name] != f.SHA256 {
			return wrong("holds %q, which is not the one that was signed", shown(f.Name))
		}
	}
	if s.Predicate.Result != want.Predicate.Result || !slices.Equal(s.Predicate.PassedTests, want.Predicate.PassedTests) ||
		!slices.Equal(s.Predicate.FailedTests, want.Predicate.FailedTests) {
		return wrong("is signed as %s, and its results are %s, or not of the same cells", shown(string(s.Predicate.Result)), want.Predicate.Result)
	}
	return nil
}

// brief is enough of a digest to distinguish two.
func brief(digest string) string {
	digest = shown(bare(digest))
	return digest[:min(12, len(digest))]
}
