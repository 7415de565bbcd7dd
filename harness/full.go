package harness

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// usualCell is what the artifacts of a cell take, in bytes, before there is one to go by: most of it is the console.
const usualCell = 128 << 10

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// trouble explains an error of writing to the folder: where the disk is full, it names the folder, how much is free, and
// how much the cells that are left, and results.json, are likely to need. It is nil for nil.
func (o *output) trouble(err error, left int) error {
	switch {
	case err == nil:
		return nil
	case !isFull(err):
		return fmt.Errorf("write results: %w", err)
	}
	o.mu.Lock()
	each := int64(usualCell)
	if o.cells > 0 {
		each = o.bytes / int64(o.cells)
	}
	o.mu.Unlock()
	need := max(each, usualCell) * int64(left+1)
	return fmt.Errorf("the folder of results %s is full (%s free, about %s needed): make room and add --resume, or give another folder with -o: %w",
		o.dir, free(o.dir), humanize.IBytes(uint64(need)), err)
}

// free says how much an ordinary user can still write to the file system of dir.
func free(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "an unknown amount"
	}
	return humanize.IBytes(s.Bavail * uint64(s.Bsize))
}
