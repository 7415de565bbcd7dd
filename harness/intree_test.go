package harness

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

func TestRelation(t *testing.T) {
	tests := []struct {
		ours, theirs kbuild.Module
		want         results.Relation
	}{
		{kbuild.Module{Version: "1.10"}, kbuild.Module{Version: "1.9"}, results.Newer},
		{kbuild.Module{Version: "1.9"}, kbuild.Module{Version: "1.10"}, results.Older},
		{kbuild.Module{Version: "1.9", SrcVersion: "A"}, kbuild.Module{Version: "1.9", SrcVersion: "B"}, results.Other},
		{kbuild.Module{Version: "1.9", SrcVersion: "A"}, kbuild.Module{Version: "1.9", SrcVersion: "A"}, results.Same},
		{kbuild.Module{Version: "1.9"}, kbuild.Module{Version: "1.9", SrcVersion: "A"}, results.Same},
		{kbuild.Module{SrcVersion: "A"}, kbuild.Module{SrcVersion: "A"}, results.Same},
		{kbuild.Module{SrcVersion: "A"}, kbuild.Module{SrcVersion: "B"}, results.Other},
		{kbuild.Module{Version: "1"}, kbuild.Module{}, results.Other},
		{kbuild.Module{}, kbuild.Module{}, results.Other},
	}
	for _, tt := range tests {
		if got := relation(tt.ours, tt.theirs); got != tt.want {
			t.Errorf("%+v to %+v is %s, want %s", tt.ours, tt.theirs, got, tt.want)
		}
	}
}

func TestDeferred(t *testing.T) {
	two := []kbuild.Module{{Name: "a"}, {Name: "b"}}
	has := func(relations ...results.Relation) (all []results.InTree) {
		for i, r := range relations {
			all = append(all, results.InTree{Module: two[i].Name, Version: "1.0", Ours: r})
		}
		return all
	}
	for _, tt := range []struct {
		all  []results.InTree
		want bool
	}{
		{nil, false}, {has(results.Same), false}, {has(results.Same, results.Older), true},
		{has(results.Older, results.Newer), false}, {has(results.Same, results.Other), false},
	} {
		if got := deferred(two, tt.all); (got != "") != tt.want {
			t.Errorf("%+v: %q", tt.all, got)
		}
	}
	if text := deferred(two, has(results.Same, results.Older)); !strings.Contains(text, "its own b 1.0, ours is older") {
		t.Error(text)
	}
}
