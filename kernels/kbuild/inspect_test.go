package kbuild

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInspect(t *testing.T) {
	got, err := Inspect("testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	want := Module{
		Name: "hello", Path: "testdata/hello.ko", Arch: "x86_64", Size: 5896, Vermagic: "6.1.0-56-cloud-amd64 SMP preempt mod_unload modversions ",
		Version: "1.5", SrcVersion: "8EB62DA5094022A33A45966", License: "GPL", SoftDeps: []string{"pre: crc32c"},
		Params: []Param{{"n", "int", "how often"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got.Release() != "6.1.0-56-cloud-amd64" {
		t.Errorf("release %q", got.Release())
	}
}

func TestInspectRefuses(t *testing.T) {
	ko, err := os.ReadFile("testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"empty":       nil,
		"text":        []byte(strings.Repeat("not a module\n", 99)),
		"half":        ko[:len(ko)/2],
		"executable":  patched(ko, 16, 2),
		"no modinfo":  bytes.Replace(ko, []byte(".modinfo\x00"), []byte(".modlost\x00"), 1),
		"no module":   bytes.Replace(ko, []byte(".gnu.linkonce.this_module\x00"), []byte(".gnu.linkonce.that_module\x00"), 1),
		"no vermagic": bytes.Replace(ko, []byte("vermagic="), []byte("vermagik="), 1),
	} {
		file := filepath.Join(t.TempDir(), "x.ko")
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(file); err == nil || !strings.HasPrefix(err.Error(), file+" is not a kernel module: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Inspect("/nonexistent.ko"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// patched is raw with one byte changed.
func patched(raw []byte, at int, to byte) []byte {
	raw = slices.Clone(raw)
	raw[at] = to
	return raw
}

func TestParseModinfo(t *testing.T) {
	m := parseModinfo([]byte("license=GPL\x00license=Dual BSD/GPL\x00depends=b,c\x00\x00junk\x00parmtype=z:int\x00parm=a:what: it is\x00parmtype=a:charp\x00" +
		"author=\xff\xfe\x00version=\x00vermagic=6.1 SMP\x00softdep=pre: x\x00softdep=post: y"))
	want := Module{License: "GPL", Depends: []string{"b", "c"}, Vermagic: "6.1 SMP", SoftDeps: []string{"pre: x", "post: y"},
		Params: []Param{{"a", "charp", "what: it is"}, {"z", "int", ""}}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v", m)
	}
	var many bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintf(&many, "parm=p%d:x\x00", i)
	}
	start := time.Now()
	if m := parseModinfo(many.Bytes()); len(m.Params) != 200_000 || time.Since(start) > time.Minute {
		t.Errorf("%d parameters in %v", len(m.Params), time.Since(start))
	}
}

func FuzzParseModule(f *testing.F) {
	ko, err := os.ReadFile("testdata/hello.ko")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ko)
	f.Add(ko[:64])
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	for _, at := range []int{4, 5, 18, 40, 46, 52, 58, 60, 62} { // class, byte order, machine, and the fields about section headers
		f.Add(patched(ko, at, 0xff))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseModule(bytes.NewReader(raw))
		if err == nil && m.Vermagic == "" {
			t.Error("a module without vermagic")
		}
	})
}

func TestLoadOrder(t *testing.T) {
	names := func(modules []Module) string {
		var s []string
		for _, m := range modules {
			s = append(s, m.Name)
		}
		return strings.Join(s, " ")
	}
	for name, test := range map[string]struct {
		modules []Module
		want    string
	}{
		"alone":    {[]Module{{Name: "a"}}, "a"},
		"as given": {[]Module{{Name: "b"}, {Name: "a", Depends: []string{"crc32"}}, {Name: "c"}}, "b a c"},
		"chain":    {[]Module{{Name: "a", Depends: []string{"b"}}, {Name: "b", Depends: []string{"c"}}, {Name: "c"}}, "c b a"},
		"dash":     {[]Module{{Name: "a", Depends: []string{"b-c"}}, {Name: "b_c"}}, "b_c a"},
		"diamond":  {[]Module{{Name: "d", Depends: []string{"b", "c"}}, {Name: "c", Depends: []string{"a"}}, {Name: "b", Depends: []string{"a"}}, {Name: "a"}}, "a b c d"},
		"circle":   {[]Module{{Name: "a", Depends: []string{"b"}}, {Name: "b", Depends: []string{"a"}}}, "b a"},

		"softly before":              {[]Module{{Name: "a", SoftDeps: []string{"pre: z crc32c"}}, {Name: "z"}}, "z a"},
		"softly behind":              {[]Module{{Name: "a"}, {Name: "z", SoftDeps: []string{"post: a"}}}, "z a"},
		"softly both":                {[]Module{{Name: "a"}, {Name: "m", SoftDeps: []string{"pre: z post: a"}}, {Name: "z"}}, "z m a"},
		"softly by an alias":         {[]Module{{Name: "a", SoftDeps: []string{"pre: pkg-io"}}, {Name: "z", Aliases: []string{"pkg_*"}}}, "z a"},
		"softly in a circle":         {[]Module{{Name: "a", SoftDeps: []string{"pre: b"}}, {Name: "b", SoftDeps: []string{"pre: a"}}}, "b a"},
		"softly against a need":      {[]Module{{Name: "a", SoftDeps: []string{"pre: b"}}, {Name: "b", Depends: []string{"a"}}}, "a b"},
		"softly against a long need": {[]Module{{Name: "a", SoftDeps: []string{"pre: c"}}, {Name: "c", SoftDeps: []string{"pre: b"}}, {Name: "b", Depends: []string{"d"}}, {Name: "d", Depends: []string{"a"}}}, "c a d b"},
		"softly itself":              {[]Module{{Name: "a", SoftDeps: []string{"pre: a"}}}, "a"},
	} {
		if got := names(LoadOrder(test.modules)); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestReadOrder(t *testing.T) {
	for name, test := range map[string]struct{ text, folder, want string }{
		"5.10":        {"/build/a.ko\n/build/sub/b.ko\n", ".", "a.ko sub/b.ko"},
		"6.12":        {"/build/a.o\n/build/a.o\n", ".", "a.ko"},
		"6.13":        {"a.o\n\nsub/b.o\n", ".", "a.ko sub/b.ko"},
		"folder 6.12": {"/build/drv/a.o\n", "drv", "drv/a.ko"},
		"folder 6.13": {"a.o\n", "drv", "drv/a.ko"},
		"empty":       {"", ".", ""},
	} {
		dir := source(t, map[string]string{test.folder + "/modules.order": test.text})
		got, err := readOrder(dir, test.folder)
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := readOrder(t.TempDir(), "."); got != nil || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}

// TestTheFirstVermagicCounts: a module may bring two, and the kernel compares the first.
func TestTheFirstVermagicCounts(t *testing.T) {
	m := parseModinfo([]byte("vermagic=2.6.32 SMP\x00license=GPL\x00vermagic=6.1.0 SMP\x00"))
	if m.Release() != "2.6.32" {
		t.Errorf("release %q", m.Release())
	}
}
