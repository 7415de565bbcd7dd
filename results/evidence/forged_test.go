package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// Whatever byte of the file is another, it is refused.
func TestAChangedByteIsRefused(t *testing.T) {
	path := written(t, sample(t), opened(t, newKey(t, "bob", "")), bob)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed")
	for at := 0; at < len(whole); at += 1 + at%61 {
		data := bytes.Clone(whole)
		data[at] ^= 1 << (at % 8)
		if err := os.WriteFile(changed, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), changed, nil); err == nil {
			t.Fatalf("byte %d of %d: it was good", at, len(whole))
		}
	}
	for _, n := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(changed, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), changed, nil); err == nil {
			t.Errorf("%d of %d bytes: it was good", n, len(whole))
		}
	}
}

// envelopeOf signs a payload with a key and a namespace, whatever they are.
func envelopeOf(t *testing.T, signer *Signer, namespace string, payload []byte) *dsse.Envelope {
	t.Helper()
	sig, err := sshsig.Sign(bytes.NewReader(dsse.PAE(payloadType, payload)), signer.key, sshsig.HashSHA512, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return &dsse.Envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload),
		Signatures: []dsse.Signature{{KeyID: signer.Key(), Sig: base64.StdEncoding.EncodeToString(sig.Marshal())}}}
}

// What was packed anew, with digests that fit, is refused for what it is.
func TestForgedEvidenceIsRefused(t *testing.T) {
	signer, eve := opened(t, newKey(t, "bob", "")), opened(t, newKey(t, "eve", ""))
	path := written(t, sample(t), signer, bob)
	files := contentsOf(t, path)
	var e dsse.Envelope
	if err := json.Unmarshal(files[EnvelopeName], &e); err != nil {
		t.Fatal(err)
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		t.Fatal(err)
	}
	put := func(files map[string][]byte, e *dsse.Envelope) {
		same, err := signatureFiles(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range same {
			files[f.Name] = f.Data
		}
	}
	edit := func(name, old, new string) func(map[string][]byte, *Manifest) {
		return func(files map[string][]byte, _ *Manifest) {
			if !bytes.Contains(files[name], []byte(old)) {
				t.Fatalf("%s has no %s", name, old)
			}
			files[name] = bytes.Replace(files[name], []byte(old), []byte(new), 1)
		}
	}
	for what, c := range map[string]struct {
		want   string
		change func(map[string][]byte, *Manifest)
	}{
		"results":      {`"results.json", which is not the one that was signed`, edit(ResultsName, `"load"`, `"test"`)},
		"log":          {"which is not the one that was signed", edit("cells/6.12.0/console.log", "BUG", "bug")},
		"shown":        {"which is not the one that was signed", edit(ShownName, "text", "json")},
		"one more":     {`"more", which is not the one that was signed`, func(f map[string][]byte, _ *Manifest) { f["more"] = nil }},
		"one less":     {"lacks", func(f map[string][]byte, _ *Manifest) { delete(f, "cells/6.12.0/console.log") }},
		"tool":         {"in its manifest", func(_ map[string][]byte, m *Manifest) { m.Tool = "modmatrix 9" }},
		"body":         {"in its manifest", func(_ map[string][]byte, m *Manifest) { m.Body = json.RawMessage(`{"a":1}`) }},
		"signed bytes": {`"statement.pae", which is not of the signature`, edit(SignedName, "FAILED", "PASSED")},
		"armor":        {`"statement.pae.sig", which is not of the signature`, edit(SignatureName, "\n", "\n\n")},
		"no envelope":  {"without its envelope", func(f map[string][]byte, _ *Manifest) { delete(f, EnvelopeName) }},
		"payload": {"was changed since it was signed", func(f map[string][]byte, _ *Manifest) {
			other := e
			other.Payload = base64.StdEncoding.EncodeToString(bytes.Replace(payload, []byte("Bob"), []byte("Eve"), 1))
			put(f, &other)
		}},
		"a foreign key": {"is signed by the key " + eve.Key() + ", and its envelope names " + signer.Key(), func(f map[string][]byte, _ *Manifest) {
			other := envelopeOf(t, eve, Namespace, payload)
			other.Signatures[0].KeyID = signer.Key()
			put(f, other)
		}},
		"another namespace": {`is signed for "git", and not for ` + Namespace, func(f map[string][]byte, _ *Manifest) { put(f, envelopeOf(t, signer, "git", payload)) }},
		"another source": {"is signed for the source bbbbbbbbbbbb, and its results are of aaaaaaaaaaaa", func(f map[string][]byte, _ *Manifest) {
			put(f, envelopeOf(t, signer, Namespace, bytes.Replace(payload, []byte(strings.Repeat("a", 64)), []byte(strings.Repeat("b", 64)), 1)))
		}},
		"another result": {"is signed as PASSED, and its results are FAILED", func(f map[string][]byte, _ *Manifest) {
			put(f, envelopeOf(t, signer, Namespace, bytes.Replace(payload, []byte(`"FAILED"`), []byte(`"PASSED"`), 1)))
		}},
		"another predicate": {"for no test result", func(f map[string][]byte, _ *Manifest) {
			put(f, envelopeOf(t, signer, Namespace, bytes.Replace(payload, []byte("test-result"), []byte("vsa"), 1)))
		}},
		"a trailer of two lines": {"no trailer can hold", func(f map[string][]byte, _ *Manifest) {
			put(f, envelopeOf(t, signer, Namespace, bytes.Replace(payload, []byte("Bob B."), []byte(`Bob\nAcked-by: Eve`), 1)))
		}},
		"two signatures": {"cannot be read", func(f map[string][]byte, _ *Manifest) {
			f[EnvelopeName] = bytes.Replace(f[EnvelopeName], []byte(`"signatures": [`), []byte(`"signatures": [{},`), 1)
		}},
	} {
		_, err := Open(t.Context(), repacked(t, path, c.change), nil)
		if wrong, ok := errors.AsType[*Error](err); !ok || !strings.Contains(wrong.Problem, c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
	}
}

// Results that nobody can believe, or that would fill the memory, are refused before.
func TestHostileResultsAreRefused(t *testing.T) {
	path := written(t, sample(t), nil, Tester{})
	for what, c := range map[string]struct{ want, text string }{
		"no results":       {"results that cannot be believed", ""},
		"another schema":   {"results that cannot be believed", `{"schema":"x/v1"}`},
		"lists of nothing": {"with a list of nothing", `{"records":[` + strings.Repeat("null,", 1000) + `null]}`},
		"nothing":          {"with a list of nothing", `{"a":"\"[null","records":[{}, null]}`},
		"no end":           {"more than 400000 values", `{"records":[` + strings.Repeat("{},", maxValues) + `{}]}`},
		"merged":           {"of several runs", `{"schema":"modmatrix.results/v1","run":{"tool":"modmatrix 0.1.0","merged":[{"run":"A"}]},"module":{"source_digest":"` + tested + `"},"records":[],"summary":{"PASS":0,"FAIL":0,"ERROR":0,"MISS":0,"SKIP":0}}`},
		"no source":        {"which source", `{"schema":"modmatrix.results/v1","records":[],"summary":{"PASS":0,"FAIL":0,"ERROR":0,"MISS":0,"SKIP":0}}`},
	} {
		changed := repacked(t, path, func(f map[string][]byte, _ *Manifest) { f[ResultsName] = []byte(c.text) })
		if _, err := Open(t.Context(), changed, nil); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if err := countable([]byte(`{"a":["null"," [null",{"b":null}],"c":"\\"}`)); err != nil {
		t.Error(err)
	}
}
