package debian

import (
	"regexp"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// tools are apt's and dpkg's programs, and those that make roots. They are asked to end and may tidy up: mmdebstrap deletes its
// half-made root then.
var tools = kernels.Tools{
	Env: []string{"DEBIAN_FRONTEND=noninteractive"},
	Cures: map[string]string{
		"apt-get":    "this source needs a host with apt: install apt",
		"apt-config": "this source needs a host with apt: install apt",
		"dpkg-deb":   "install dpkg",
		"mmdebstrap": "install mmdebstrap",
		"bwrap":      "install bubblewrap",
		"tar":        "install tar",
	},
	Fault: regexp.MustCompile(`^E: `),
	End:   syscall.SIGTERM,
	Grace: 20 * time.Second,
}
