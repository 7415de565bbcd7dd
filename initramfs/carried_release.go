//go:build release

package initramfs

import "embed"

// carried is what make dist has Carry write there.
//
//go:embed carried
var carried embed.FS
