package main

// known is a difference that is as it should be.
type known struct {
	theirs, ours verdict
	fits         func(name string, c cell) bool // nil: every cell with these verdicts
	why          string
}

// allowed are the differences that we stand by. Each says whose verdict is the better one, and why.
var allowed = []known{
	{theirs: fail, ours: broken, why: "the root lacks what the package depends on: dkms fails it, modmatrix takes the blame for its own root"},
}

// why answers the reason of a difference that is known, else nothing.
func why(name string, c cell) string {
	for _, k := range allowed {
		if k.theirs == c.Theirs.Verdict && k.ours == c.Ours.Verdict && (k.fits == nil || k.fits(name, c)) {
			return k.why
		}
	}
	return ""
}
