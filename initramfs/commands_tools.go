//go:build tools

package initramfs

// Nothing that is compiled may import programs. These imports, behind a tag that nobody sets, keep in go.mod and go.sum
// the modules that commands need and nothing else here does.
import (
	_ "github.com/u-root/u-root/cmds/core/cmp"  // rck/unit, as dd
	_ "github.com/u-root/u-root/cmds/core/gzip" // klauspost/pgzip, as insmod and rmmod
)
