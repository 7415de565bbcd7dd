package guests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// What a guest's kernel lacks is scripted with
//
//	call lacks FILE NAME…  it asks for the first NAME that it was not given, and the module is refused; once it has them
//	                       all, it passes. FILE.guests has a byte for each guest. NAME… may be "for-ever", or "and-more",
//	                       after which the module fails all the same.
func registerRequested() {
	vmtest.Register("lacks", func(g *vmtest.Guest, words ...string) {
		note(words[0] + ".guests")
		listenTo(g).lack(words[1:], givenTo(g))
	})
	vmtest.Register("lacks-in-each-round", func(g *vmtest.Guest, words ...string) {
		note(words[0] + ".guests")
		t := listenTo(g)
		for _, suite := range t.suites {
			if len(givenTo(g)) > 0 {
				t.in(suite, "load", "test", "unload")
				continue
			}
			t.in(suite, "begin:load")
			t.send(wire.Frame{Kind: wire.KindWanted, Suite: suite, Text: words[1]})
			t.in(suite, "loaded:5", "done:load", "taint:load=0")
		}
	})
}

// givenTo are the names that the plan says are there.
func givenTo(g *vmtest.Guest) []string {
	image, err := g.Payload()
	must(err)
	found := regexp.MustCompile(`"asked": \[([^\]]*)\]`).FindSubmatch(image)
	if found == nil {
		return nil
	}
	return strings.Fields(strings.NewReplacer(`"`, "", ",", " ").Replace(string(found[1])))
}

func (t *sender) lack(names, given []string) {
	missing, fails := "", false
	for _, name := range names {
		switch {
		case name == "for-ever":
			missing = fmt.Sprintf("n%d", len(given))
		case name == "and-more":
			fails = true
		case missing == "" && !slices.Contains(given, name):
			missing = name
		}
	}
	if missing == "" && !fails {
		t.steps("through", "off")
		return
	}
	t.steps("boot", "begin:load")
	if missing != "" {
		t.send(wire.Frame{Kind: wire.KindWanted, Text: missing})
	}
	t.steps("loaded:5", "done:load", "taint:load=0", "end", "off")
}
