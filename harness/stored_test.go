package harness

import (
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func TestStoredIsWhatNeedNotBeDownloaded(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	target := kernels.Target{Release: "6.1.0-56-amd64", Source: "debian:bookworm", Packages: []kernels.Package{{Name: "linux-image", SHA256: "00"}}}
	if Stored(st, target) {
		t.Error("nothing is stored, and that kernel is")
	}
	if _, _, err := st.Fill(t.Context(), "trees", debian.TreeID(target), func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	other := target
	other.Source = "git:/src/linux"
	if !Stored(st, target) || Stored(st, other) {
		t.Errorf("stored: %v, and one that is compiled: %v", Stored(st, target), Stored(st, other))
	}
}
