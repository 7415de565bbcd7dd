package main

import "strings"

// known is a difference that is as it should be.
type known struct {
	theirs, ours verdict
	says         string // part of our reason
	why          string
}

// allowed are the differences that we stand by. Each says whose verdict is the better one, and why.
var allowed = []known{
	{theirs: fail, ours: broken, says: ", which the package depends on",
		why: "the release has not what the package depends on: dkms fails it, modmatrix takes the blame for its own root"},
	{theirs: fail, ours: broken, says: "the root lacks a program",
		why: "the root lacks a program that the build runs: dkms fails the package, modmatrix takes the blame for its own root"},
}

// why answers the reason of a difference that is known, else nothing.
func why(c cell) string {
	for _, k := range allowed {
		if k.theirs == c.Theirs.Verdict && k.ours == c.Ours.Verdict && strings.Contains(c.Ours.Reason, k.says) {
			return k.why
		}
	}
	return ""
}
