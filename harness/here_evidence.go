package harness

import (
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// addHere says of e what is otherwise here than in a guest.
func (c *cell) addHere(e *judge.Evidence, p *part) {
	s := c.spec()
	if len(s.Devices)+len(s.Plugs) > 0 || s.Firmware != "" || s.CompareInTree {
		e.Notes = append(e.Notes, takesNone)
	}
	own := c.kernelsOwn(p.withGuest(e.Guest))
	if len(own) == 0 && len(e.Guest.Residue) > 0 {
		e.Notes = append(e.Notes, "this machine was in use meanwhile: what is left behind may be another program's or another device's; run again to be sure")
	}
}

func (p *part) withGuest(g *judge.Guest) *part { return &part{guest: g, requested: p.requested} }

// loadedTrace begins the report of a module that is left behind.
const loadedTrace = "/proc/modules: "

// kernelsOwn are the kernel's own modules that came to be loaded while the module was there, and are left behind: this machine's modprobe
// brought them, for whoever asked. With them there before, another look shows what the module itself leaves.
func (c *cell) kernelsOwn(p *part) (names []string) {
	if !isHere(c.tree.Target) || p.guest == nil {
		return nil
	}
	for _, thing := range p.guest.Residue {
		name, ok := strings.CutPrefix(thing, loadedTrace)
		if !ok || c.brings(name) || slices.Contains(names, name) {
			continue
		}
		if _, found, err := c.tree.Module(name); found && err == nil {
			names = append(names, name)
		}
	}
	return names
}

// leftOwn reports whether what p is blamed for may be the doing of such modules.
func (c *cell) leftOwn(p *part) bool {
	return p.guest != nil && p.rec.Code == results.CodeLeak && len(c.kernelsOwn(p)) > 0
}
