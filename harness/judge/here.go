package judge

import "github.com/modmatrix/modmatrix/results"

// What is said otherwise of a module that was loaded into this machine's own kernel, without a guest. The rules are the same.

// place is where the module was loaded, as the beginning of a sentence.
func (e Evidence) place() string {
	if e.Here {
		return "here"
	}
	return "the guest"
}

// fellHere says that this machine went down, or that its kernel killed what called the module, and that no fault in its log says why.
func (e Evidence) fellHere(stage results.Stage) string {
	at := "during " + string(stage) + inSpec(e.Guest)
	switch last := LastLine(e.Tail); {
	case e.End.Reason != "guest-reset":
		return "the kernel ended what called the module " + at + ", with no fault in its log"
	case last == "":
		return "this machine went down " + at + ", and nothing kept its last words (pstore has none): whether it hung, was reset or lost its power is not known"
	default:
		return "this machine went down " + at + "; its last words: " + last
	}
}

// machine is what has hardware and firmware, as a part of a sentence.
func (e Evidence) machine() string {
	if e.Here {
		return "this machine"
	}
	return "the guest"
}
