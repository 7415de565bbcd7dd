package results

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// vocabulary are the keys whose values are words of this project, digests, or names by which records are told apart: nothing in
// them is foreign text, and a user who is called "max" does not change what a processor is called.
var vocabulary = wordSet(`schema status stage code kind fingerprint owner arch accelerator cpu_model qemu config_digest source_digest
	plan_digest commit ours op suite suites flavour profile past loaded delta`)

// numbered are the keys of versions, whose four numbers are no address.
var numbered = wordSet("version release first last min max good bad")

// Results is r without what says whose machine it was made on, in every text that it has, those that later versions add too.
func (s *Scrubber) Results(r *Results) (*Results, error) {
	var doc any
	dec := json.NewDecoder(bytes.NewReader(bytesOf(r)))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("scrub results: %w", err)
	}
	out := new(Results)
	if err := json.Unmarshal(bytesOf(s.value("", doc)), out); err != nil {
		return nil, fmt.Errorf("scrub results: %w", err)
	}
	return out, out.check()
}

func (s *Scrubber) value(key string, v any) any {
	switch v := v.(type) {
	case string:
		if vocabulary[key] {
			return v
		}
		if numbered[key] {
			return s.version(v)
		}
		return s.Text(v)
	case []any:
		for i := range v {
			v[i] = s.value(key, v[i])
		}
	case map[string]any:
		clean := map[string]any{}
		for name, inner := range v {
			if key == "suites" { // by name, as they were given
				name = s.Text(name)
			}
			clean[name] = s.value(name, inner)
		}
		return clean
	}
	return v
}

// version is Text of what may look like an address.
func (s *Scrubber) version(v string) string {
	if dotted.FindString(v) == v {
		return v
	}
	return s.Text(v)
}
