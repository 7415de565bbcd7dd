package results

import (
	"cmp"
	"errors"
	"slices"
)

// Asked is how a run was asked for, so that a command can ask for a part of it again. Paths are as they were typed, and mean
// something in the folder where that was done.
type Asked struct {
	Words  []string          `json:"words,omitempty"`  // the verb, run, build or check, the module and what else there was; empty: run
	Focus  string            `json:"focus,omitempty"`  // what --focus was; empty: all specs ran
	Suites map[string]string `json:"suites,omitempty"` // what was given as --suite for a suite of that name; a missing one goes by its name
}

// check refuses what no run was asked for with: these words are shown as a command that a reader may well use.
func (a Asked) check() error {
	if len(a.Words) > 0 && a.Words[0] != "run" && a.Words[0] != "build" && a.Words[0] != "check" {
		return errors.New("asked: neither run, nor build, nor check")
	}
	return nil
}

// Command is what a command like the one that was asked with starts with, for the caller to append to.
func (a Asked) Command() []string {
	if len(a.Words) == 0 {
		return []string{"modmatrix", "run"}
	}
	return slices.Concat([]string{"modmatrix"}, a.Words)
}

// Suite is what to give --suite for a suite of that name.
func (a Asked) Suite(name string) string { return cmp.Or(a.Suites[name], name) }
