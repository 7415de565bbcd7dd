package suites

import (
	"testing"
)

func TestVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"6.12.107": {6, 12, 107}, "6.1.0-56-amd64": {6, 1, 0}, "7.3": {7, 3, 0}, "6.12.0-rc3": {6, 12, 0},
		"6.12.107+deb13-amd64": {6, 12, 107}, "5.10.0.1": {5, 10, 0},
	} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "6", "x.y", ".1", "6..1", "99999999999999999999.1"} {
		if got, err := ParseVersion(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
	v := Version{6, 12, 5}
	if !v.AtLeast(6, 12) || !v.AtLeast(5, 15) || v.AtLeast(6, 13) || v.AtLeast(7, 0) || v.Compare(Version{6, 12, 5}) != 0 {
		t.Errorf("%v does not compare", v)
	}
	if got, err := KernelVersion(); err != nil || got.Major == 0 {
		t.Errorf("this kernel is %v, %v", got, err)
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("6.12.107+deb13-amd64")
	f.Add("6..")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if again, err2 := ParseVersion(v.String()); err == nil && (err2 != nil || again != v) {
			t.Errorf("%q gives %v, and that gives %v, %v", text, v, again, err2)
		}
	})
}
