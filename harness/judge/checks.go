package judge

import (
	"fmt"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Check is what a static check came to.
type Check struct {
	Name     string
	Tool     string // what made it, with its version
	Findings []results.Finding
	Dropped  int           // further findings, of which nothing more is known
	Note     string        // what a reader should know of how it ran
	Noise    int           // findings in the kernel's own files
	Missing  string        // why its tool cannot be had; empty: it can
	Broken   string        // why it says nothing that can be believed; empty: it ran to its end
	Fault    string        // why the module does not build under it; empty: it does, or need not
	Fails    results.Level // the least bad level of findings that fails; empty: nothing of it does
	TookMS   int64
}

// checks is the rule for a cell of the static checks. A tool that cannot be had is named, and is no pass; the others decide all the same.
func checks(e Evidence) (verdict, bool) {
	if len(e.Checks) == 0 {
		return verdict{}, false
	}
	named, worst := map[results.Status][]string{}, results.Status("")
	first := map[results.Status]results.Spec{}
	for _, s := range checkSpecs(e.Checks) {
		if named[s.Status] == nil {
			first[s.Status] = s
		}
		named[s.Status] = append(named[s.Status], s.Name)
		if s.Status != results.Miss {
			worst = worst.Worse(s.Status)
		}
	}
	switch worst {
	case results.Fail, results.Error:
		code := map[results.Status]results.Code{results.Fail: results.CodeCheckFailed, results.Error: results.CodeInfra}[worst]
		reason := strings.TrimSuffix(first[worst].Name+": "+first[worst].Message, ": ")
		if place := first[worst].Location; place != "" {
			reason += " (" + place + ")"
		}
		if more := named[worst][1:]; len(more) > 0 {
			reason += "; " + strings.Join(more, ", ") + " as well"
		}
		return verdict{worst, results.StageCheck, code, reason}, true
	case "":
		return verdict{results.Miss, results.StageCheck, results.CodeInfra, "no tool of the static checks can be had: " + first[results.Miss].Message}, true
	}
	return verdict{status: worst}, true
}

// checkSpecs are the specs of a cell of the static checks.
func checkSpecs(all []Check) (specs []results.Spec) {
	for _, c := range all {
		specs = append(specs, c.spec())
	}
	return specs
}

func (c Check) spec() results.Spec {
	s := results.Spec{Name: c.Name, Status: results.Pass, DurationMS: c.TookMS, Attempts: 1, Tool: c.Tool, Findings: c.Findings}
	s.Message = c.message()
	switch bad := c.worst(); {
	case c.Missing != "":
		s.Status, s.Message = results.Miss, c.Missing
	case c.Broken != "":
		s.Status, s.Message = results.Error, c.Broken
	case c.Fault != "":
		s.Status, s.Message = results.Fail, "the module does not build under it: "+c.Fault
		if c.Fails == "" {
			s.Status = results.Miss
		}
	case bad != nil:
		s.Status, s.Location = results.Fail, bad.Where
	}
	return s
}

// worst is the first finding that fails the check; nil where none does.
func (c Check) worst() *results.Finding {
	for _, level := range results.Levels {
		for i, f := range c.Findings {
			if f.Level == level && c.Fails != "" && level.Worse(c.Fails) {
				return &c.Findings[i]
			}
		}
	}
	return nil
}

// message counts the findings; empty where there is nothing to say.
func (c Check) message() string {
	var parts []string
	for _, level := range results.Levels {
		if n := results.CountLevel(c.Findings, level); n > 0 {
			parts = append(parts, results.Plural(n, string(level)))
		}
	}
	if c.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%d more that are not listed", c.Dropped))
	}
	text := strings.Join(parts, ", ")
	if c.Noise > 0 {
		text = strings.TrimPrefix(text+fmt.Sprintf("; %d in the kernel's own files are not counted", c.Noise), "; ")
	}
	if c.Note != "" {
		text = strings.TrimPrefix(text+"; "+c.Note, "; ")
	}
	return text
}
