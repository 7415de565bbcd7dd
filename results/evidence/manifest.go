package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ManifestName is the first entry of every archive.
const ManifestName = "manifest.json"

// The schemas of the manifests that there are.
const (
	BundleSchema   = "modmatrix.bundle/v1"   // what an author hands out
	EvidenceSchema = "modmatrix.evidence/v1" // what a tester sends back
)

// Manifest says what an archive holds. It is plain data.
type Manifest struct {
	Schema string          `json:"schema"`
	Tool   string          `json:"tool"`  // that made it: name and version
	Files  []Entry         `json:"files"` // sorted by name, each once; Write fills it
	Body   json.RawMessage `json:"body,omitempty"`
}

// Entry is one file of an archive.
type Entry struct {
	Name   string `json:"name"` // relative, with slashes
	Size   int64  `json:"size"` // in bytes
	SHA256 string `json:"sha256"`
	Mode   string `json:"mode"` // plainMode or execMode
}

// The modes that there are.
const (
	plainMode = "0644"
	execMode  = "0755"
)

// Exec reports whether the file may be executed.
func (e Entry) Exec() bool { return e.Mode == execMode }

func (e Entry) perm() fs.FileMode {
	if e.Exec() {
		return 0o755
	}
	return 0o644
}

func (m Manifest) encode() ([]byte, error) {
	if err := checkEntries(m.Files); err != nil {
		return nil, fmt.Errorf("write archive: it %w", err)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return text.Bytes(), nil
}

// maxBody bounds the body, in bytes: whoever decodes it may need some ten times as much.
const maxBody = 4 << 20

// decodeManifest holds a manifest of that schema to its bounds; one of a later version need not be readable otherwise.
func decodeManifest(text []byte, schema string, most int) (m Manifest, err error) {
	var raw struct {
		Schema string          `json:"schema"`
		Tool   string          `json:"tool"`
		Files  json.RawMessage `json:"files"`
		Body   json.RawMessage `json:"body"`
	}
	err = json.Unmarshal(text, &raw)
	if raw.Schema != "" && raw.Schema != schema {
		return m, otherSchema(raw.Schema, schema, raw.Tool)
	}
	if err != nil || raw.Schema == "" {
		return m, wrong("has a manifest that cannot be read")
	}
	if len(raw.Body) > maxBody {
		return m, wrong("has a manifest of more than %d KiB besides its files", maxBody>>10)
	}
	m = Manifest{Schema: raw.Schema, Tool: shown(raw.Tool), Body: raw.Body}
	if m.Files, err = decodeEntries(raw.Files, most); err != nil {
		return m, err
	}
	if err := checkEntries(m.Files); err != nil {
		return m, wrong("%v", err)
	}
	return m, nil
}

// decodeEntries ends where there are too many: what a list of nothing takes in memory is a multiple of its text.
func decodeEntries(text json.RawMessage, most int) (all []Entry, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('[') {
		return nil, wrong("has a manifest without a list of files")
	}
	for dec.More() {
		if len(all) == most {
			return nil, wrong("holds more than %d files", most)
		}
		var e Entry
		if dec.Decode(&e) != nil {
			return nil, wrong("has a manifest that cannot be read")
		}
		all = append(all, e)
	}
	return all, nil
}

// otherSchema says what an archive is that is not of the schema that is wanted.
func otherSchema(is, want, tool string) error {
	kind := func(schema string) (string, int) {
		name, version, _ := strings.Cut(schema, "/v")
		n, _ := strconv.Atoi(version)
		return name, n
	}
	names := map[string]string{"modmatrix.bundle": "a bundle", "modmatrix.evidence": "an evidence file"}
	isKind, isVersion := kind(is)
	wantKind, wantVersion := kind(want)
	switch {
	case isKind != wantKind && names[isKind] != "":
		return &Error{Problem: "is " + names[isKind], Cure: "give " + names[wantKind]}
	case isKind == wantKind && isVersion > wantVersion:
		return &Error{Problem: fmt.Sprintf("is newer than this modmatrix: %s, and this one reads %s", shown(is), want), Cure: "take " + shown(tool) + ", which made it, or a later one"}
	}
	return &Error{Problem: fmt.Sprintf("is of the schema %s, which this modmatrix does not read", shown(is)), Cure: notOurs}
}
