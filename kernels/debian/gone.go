package debian

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/store"
)

var (
	// notFetched is how apt says that it could not download a file: by which address, and why.
	notFetched = regexp.MustCompile(`(?m)^E: Failed to fetch (\S+)\s+(.*?)\s*(?:\[IP: [^\]]*\])?$`)
	// noVersion is how it says that the index does not name a package in this version (any more).
	noVersion = regexp.MustCompile(`(?m)^E: Version '([^']+)' for '([^']+)' was not found|^E: Unable to locate package (\S+)`)
)

// goesOn is what helps where what was got is kept.
const goesOn = "run it again, and it goes on from there"

// notDownloaded says in one line why apt could not download a package, and what helps, without an archive's address: which
// one it was is the host's business. again helps where the connection broke.
func notDownloaded(err error, again string) error {
	tool, ok := errors.AsType[*toolError](err)
	if !ok {
		return err
	}
	if m := noVersion.FindStringSubmatch(tool.Output); m != nil {
		return fmt.Errorf("the archive no longer has %s: only a store that has it already can serve it; take a newer kernel of the suite, or modmatrix kernels update",
			strings.TrimSpace(m[2]+m[3]+" "+m[1]))
	}
	m := notFetched.FindStringSubmatch(tool.Output)
	if m == nil {
		return err
	}
	file, why := path.Base(m[1]), m[2]
	if strings.HasPrefix(why, "Hash Sum mismatch") || strings.HasPrefix(why, "File has unexpected size") {
		return fmt.Errorf("download %s: %w: the mirror is behind, damaged or not to be trusted; run it again later, or name another (MODMATRIX_DEBIAN_MIRROR)", file, errNotAsSigned)
	}
	if store.IsFull(err) {
		return fmt.Errorf("download %s: %w", file, err)
	}
	if strings.HasPrefix(why, "404") || strings.HasPrefix(why, "File not found") {
		return fmt.Errorf("the archive's index names %s, and the archive has no such file any more: name another kernel of the suite with @VERSION, or another mirror (MODMATRIX_DEBIAN_MIRROR)", file)
	}
	return fmt.Errorf("download %s: %s; %s", file, withoutAddress(why), again)
}
