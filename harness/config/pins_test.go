package config

import (
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func TestLockPinsTreesAndTheirRoots(t *testing.T) {
	pinned := kernels.Target{Release: "6.1.0-56-amd64", Source: "debian:bookworm", Suite: "bookworm", RootPkgs: []string{"gcc-12"},
		Packages: []kernels.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-2", SHA256: "aa"}}}
	other := pinned
	other.Packages = []kernels.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-3", SHA256: "bb"}}
	other.RootPkgs = []string{"gcc-13"}
	compiled := kernels.Target{Release: "6.18.0+kasan", Source: "git:/src/linux", Suite: "trixie", RootPkgs: []string{"gcc-14"}}
	onHost := kernels.Target{Release: "6.6.1", Source: "host"}
	l := Lock{Selectors: []Pinned{{Selector: sel("debian:bookworm")[0], Targets: []kernels.Target{pinned}}, {Selector: sel("git:/src/linux+kasan")[0], Targets: []kernels.Target{compiled}},
		{Selector: sel("host")[0], Targets: []kernels.Target{onHost}}}}
	for _, c := range []struct{ kind, id, want string }{
		{"trees", debian.TreeID(pinned), "debian:bookworm"},
		{"roots", debian.RootID(pinned), "debian:bookworm"},
		{"trees", debian.TreeID(other), ""},
		{"roots", debian.RootID(other), ""},
		{"roots", debian.TreeID(pinned), ""},
		{"trees", "6.18.0+kasan-0123456789abcdef", "git:/src/linux+kasan"},
		{"roots", debian.RootID(compiled), "git:/src/linux+kasan"},
		{"trees", "6.18.0-0123456789abcdef", ""},
		{"roots", debian.RootID(onHost), ""},
		{"cells", debian.TreeID(pinned), ""},
	} {
		if got := l.Pins(store.Entry{Kind: c.kind, ID: c.id}); got != c.want {
			t.Errorf("%s/%s: pinned by %q, want %q", c.kind, c.id, got, c.want)
		}
	}
	if (Lock{}).Pins(store.Entry{Kind: "trees", ID: "x"}) != "" {
		t.Error("an empty lock pins")
	}
}
