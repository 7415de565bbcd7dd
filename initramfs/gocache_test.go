package initramfs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// talk has c answer requests, and returns the answers after the greeting.
func talk(t *testing.T, c goCache, requests string) (answers []cacheAnswer) {
	t.Helper()
	var out bytes.Buffer
	if err := c.answer(strings.NewReader(requests), &out); err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(&out); dec.More(); {
		var a cacheAnswer
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers[1:]
}

// TestGoCacheIsOfOneRepository: what is put for one is found by it, and neither by another nor by this user's own go.
func TestGoCacheIsOfOneRepository(t *testing.T) {
	top := t.TempDir()
	c := goCache{own: filepath.Join(top, "one"), base: filepath.Join(top, "base")}
	const id = `"ActionID":"q80="` // 0xabcd
	const put = `{"ID":1,"Command":"put",` + id + `,"OutputID":"ASM=","BodySize":3}` + "\n\"YWJj\"\n"
	const get = `{"ID":2,"Command":"get",` + id + `}` + "\n"
	const end = `{"ID":3,"Command":"close"}`
	a := talk(t, c, get+put+get+end)
	if len(a) != 4 || !a[0].Miss || a[2].Miss || a[2].Size != 3 || a[2].DiskPath != guestOwnCache+"/01/0123-d" || a[3].ID != 3 {
		t.Fatalf("%+v", a)
	}
	if data, err := os.ReadFile(filepath.Join(c.own, "01/0123-d")); err != nil || string(data) != "abc" {
		t.Errorf("%q, %v", data, err)
	}
	other := goCache{own: filepath.Join(top, "two"), base: c.base}
	if a := talk(t, other, get+end); !a[0].Miss {
		t.Errorf("another finds it: %+v", a)
	}
	if _, err := os.Stat(c.base); err == nil {
		t.Error("the base was written to")
	}
	// And what is in the base is found.
	if a := talk(t, goCache{own: other.own, base: c.own}, get+end); a[0].DiskPath != guestBaseCache+"/01/0123-d" {
		t.Errorf("%+v", a)
	}
	if err := os.WriteFile(filepath.Join(c.own, "01/0123-d"), []byte("cut"[:2]), 0o644); err != nil {
		t.Fatal(err)
	}
	if a := talk(t, c, get+end); !a[0].Miss {
		t.Errorf("a damaged one is found: %+v", a)
	}
}
