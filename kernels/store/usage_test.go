package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsageShowsAllThatTakesRoom(t *testing.T) {
	s := newStore(t)
	put(t, s, "builds/x", mega, 0)
	write(t, filepath.Join(s.Dir(), "apt/trixie/lists"), strings.Repeat("x", 5000))
	write(t, filepath.Join(s.Dir(), "vm/probe.json"), "{}")
	write(t, filepath.Join(s.Dir(), "builds", tempMark+"dead.123", "half"), "half")
	write(t, filepath.Join(s.Dir(), "trees", tempMark+"first.123", "half"), "half")
	write(t, filepath.Join(s.Dir(), "work/DEAD/half"), "half")
	write(t, filepath.Join(s.Dir(), lockDir, "work.DEAD"), "")
	if err := os.Mkdir(filepath.Join(s.Dir(), "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Fill(t.Context(), "templates", "t", func(dir string) error {
		write(t, filepath.Join(dir, "ram"), "x")
		return os.Truncate(filepath.Join(dir, "ram"), 64*mega)
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%s/%s %s", e.Kind, e.ID, e.State))
		if e.Kind == "templates" && (e.Disk > mega || e.Size < 64*mega) {
			t.Errorf("a file with holes: size %d, disk %d", e.Size, e.Disk)
		}
		if e.Disk <= 0 || e.Used.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	want := "apt/trixie spare, builds/.tmp.dead.123 left behind, builds/x , templates/t , trees/.tmp.first.123 left behind, vm/ private, work/DEAD left behind"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if _, err := s.Collect(t.Context(), Limits{MaxBytes: 1}); err != nil {
		t.Fatal(err)
	}
	if all, err = s.Usage(); err != nil || names(all) != "vm/" {
		t.Error(names(all), err)
	}
}

func TestSizesAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{"20G": 20e9, "20GiB": 20 << 30, "500 MiB": 500 << 20, "0": 0, "1.5k": 1500} {
		if n, err := ParseSize(text); n != want || err != nil {
			t.Errorf("%s: %d %v", text, n, err)
		}
	}
	for _, text := range []string{"", "-1", "G", "20X", "999999999999T", "NaN"} {
		if n, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
	t.Setenv("MODMATRIX_CACHE_MAX", "")
	if n, err := Max(); n != DefaultMax || err != nil {
		t.Error(n, err)
	}
	t.Setenv("MODMATRIX_CACHE_MAX", "0")
	if n, err := Max(); n != 0 || err != nil {
		t.Error(n, err)
	}
	t.Setenv("MODMATRIX_CACHE_MAX", "much")
	if _, err := Max(); err == nil || !strings.Contains(err.Error(), "MODMATRIX_CACHE_MAX") {
		t.Error(err)
	}
}
