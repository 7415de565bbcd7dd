package source

import (
	"regexp"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// killGrace is how long whoever is ended may take to be gone.
const killGrace = 10 * time.Second

// fault is a line that says what went wrong, as against the many that say what was done.
var fault = regexp.MustCompile(`(?i)(\berror\b|\bfatal\b|cannot|no rule to make|not found|no space left|^bwrap:)`)

// tools are the sandbox that kernels are compiled in: there is nothing in it to tidy up.
var tools = kernels.Tools{
	Cures: map[string]string{"git": "install git", "bwrap": "install bubblewrap"},
	Fault: fault,
	End:   syscall.SIGKILL,
	Grace: killGrace,
}
