package wire

import (
	"strings"
	"testing"
)

func TestMarker(t *testing.T) {
	long := strings.Repeat("long ", 300)
	for _, m := range []Mark{
		{Stage: StageLoad}, {Stage: StageUnload, Done: true},
		{Spec: 7, Name: "drains the log: before suspend"}, {Spec: 12, Name: "x", Done: true}, {Spec: 1},
		{Suite: "my \"suite\": end", Stage: StageTest}, {Suite: "größe", Spec: 3, Name: "\"quoted\" name", Done: true},
	} {
		text := Marker("abc", m)
		for _, prefix := range []string{"", "[    1.234567] ", "<13>[    1.234567][    T1] ", "half a line"} {
			got, ok := ParseMarker(prefix+text+"\r\n", "abc")
			if !ok || got != m {
				t.Errorf("%q: %+v, %v", prefix+text, got, ok)
			}
		}
		if _, ok := ParseMarker(text, "other"); ok {
			t.Errorf("%q passes for another nonce", text)
		}
	}
	text := Marker("abc", Mark{Suite: strings.Repeat("\u00a0", 300) + "x" + strings.Repeat("\"", 300), Spec: 3, Name: "evil\nmodmatrix abc: end begin\x1b[2J " + long})
	if strings.ContainsAny(text, "\n\x1b") || len(text) > 900 {
		t.Errorf("marker %q", text)
	}
	if m, ok := ParseMarker(text, "abc"); !ok || m.Spec != 3 || !strings.HasPrefix(m.Name, "evil modmatrix abc: end begin long") {
		t.Errorf("%+v %v", m, ok)
	}
	for _, bad := range []string{"", "modmatrix abc", "modmatrix abc: ", "modmatrix abc: spec x begin: y", "modmatrix abc: spec 0 begin: y",
		"modmatrix abc: spec 4 middle: y", "modmatrix abc: load", "modmatrix abc:  begin", "modmatrix : load begin"} {
		if m, ok := ParseMarker(bad, "abc"); ok {
			t.Errorf("%q became %+v", bad, m)
		}
		if _, ok := ParseMarker(bad, ""); ok {
			t.Errorf("%q passes without a nonce", bad)
		}
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add("[ 1.0] modmatrix abc: spec 7 begin: NAME", "name\n", "suite")
	f.Add("[ 1.0] modmatrix abc: \"x\" load end", "\"", "\\")
	f.Fuzz(func(t *testing.T, text, name, suite string) {
		ParseMarker(text, "abc")
		m, ok := ParseMarker(Marker("abc", Mark{Suite: suite, Spec: 5, Name: name}), "abc")
		if !ok || m.Spec != 5 || m.Suite != cut(line(suite), maxMarkSuite) || m.Name != cut(line(name), maxMarkName) {
			t.Errorf("%q came back as %+v", name, m)
		}
	})
}
