package source

import (
	"regexp"

	"github.com/modmatrix/modmatrix/kernels"
)

// fault is a line that says what went wrong, as against the many that say what was done.
var fault = regexp.MustCompile(`(?i)(\berror\b|\bfatal\b|cannot|no rule to make|not found|no space left|^bwrap:)`)

// tools are what runs in the sandbox that kernels are compiled in.
var tools = kernels.Tools{Fault: fault}
