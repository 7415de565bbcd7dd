//go:build !release

package initramfs

import "embed"

// carried is empty: what guests run is compiled at need.
var carried embed.FS
