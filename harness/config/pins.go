package config

import (
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Pins returns the selector that pins an entry of the store: the tree of one of its kernels, or the root that this is built
// in; "" where none does. Of a kernel that is compiled here, every tree counts: which one is pinned is known only in its root.
func (l Lock) Pins(e store.Entry) (selector string) {
	for _, p := range l.Selectors {
		for _, t := range p.Targets {
			if pins(t, e) {
				return p.Selector.String()
			}
		}
	}
	return ""
}

func pins(t kernels.Target, e store.Entry) bool {
	switch source, _ := t.Origin(); {
	case t.Suite == "": // it is no entry: the kernel lies on a host
		return false
	case e.Kind == "roots":
		return e.ID == debian.RootID(t)
	case e.Kind == "trees" && source == "debian":
		return e.ID == debian.TreeID(t)
	}
	return e.Kind == "trees" && strings.HasPrefix(e.ID, t.Release+"-")
}
