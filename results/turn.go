package results

import "strings"

// turn is where a module stopped to work within one line of kernels.
type turn struct {
	good, bad row // the last that passed, and the first after it that failed
	kind      string
}

// turns finds where a module stopped to work, for every line of kernels of one kind in which it failed on no kernel between
// one on which it passed and another, and on the newest of them.
func turns(g grid) []turn {
	type kind struct{ arch, flavour, profile string }
	var order []kind
	lines := map[kind][]row{}
	for _, w := range g.rows {
		k := kind{w.target.Arch, w.target.Flavour, w.target.Profile}
		if lines[k] == nil {
			order = append(order, k)
		}
		lines[k] = append(lines[k], w)
	}
	var found []turn
	for _, k := range order {
		if t, ok := turningPoint(lines[k]); ok {
			if len(order) > 1 {
				t.kind = strings.Trim(Plain(k.flavour+"+"+k.profile), "+")
			}
			found = append(found, t)
		}
	}
	return found
}

// turningPoint gives the last kernel that passed and the first after it that failed, if none passed after that. One that
// failed before any passed is too old for the module, which is another question.
func turningPoint(rows []row) (t turn, ok bool) {
	for _, w := range rows {
		switch s := w.status(); {
		case s == Pass && ok:
			return turn{}, false
		case s == Pass:
			t.good = w
		case s == Fail && !ok && t.good.cells != nil:
			t.bad, ok = w, true
		}
	}
	return t, ok && t.good.target.Version != t.bad.target.Version
}

// bisect is the command that finds the first release that is bad, among those that the archive holds in between; empty
// where there is no such row of releases. It asks for the suites that failed only; a module that was not built needs none,
// but the kernels on which it is do: the first has to do for them.
func (t turn) bisect(asked Asked) string {
	for _, end := range []Target{t.good.target, t.bad.target} {
		if end.Profile != "" || !strings.HasPrefix(end.Source, "debian:") {
			return ""
		}
	}
	words := asked.command()
	words[1] = "bisect"
	words = append(words, "--good", t.good.target.Selector(), "--bad", t.bad.target.Selector())
	var suites []string
	for _, rec := range t.bad.cells {
		if rec.Status == Fail && !rec.shared() {
			suites = append(suites, rec.Suite)
		}
	}
	if len(suites) == 0 {
		suites = append(suites, t.bad.cells[0].Suite)
	}
	for _, s := range suites {
		words = append(words, "--suite", asked.suite(s))
	}
	return ShellLine(words...)
}
