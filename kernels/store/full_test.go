package store

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What is full is named: a disk may have bytes left and no inodes, or a quota may be used up.
func TestWhatADiskLacks(t *testing.T) {
	disk := func(mib, inodes uint64) unix.Statfs_t {
		return unix.Statfs_t{Bsize: 1 << 20, Bavail: mib, Files: 1000, Ffree: inodes}
	}
	for _, c := range []struct {
		disk         unix.Statfs_t
		known, quota bool
		want         string
	}{
		{disk(3, 5), true, false, "3.0 MiB free, up to 16 MiB needed"},
		{disk(300, 0), true, false, "all of its 1000 inodes are used: it holds too many files"},
		{disk(300, 5), true, true, "your quota is used up, up to 16 MiB needed"},
		{disk(300, 5), true, false, "up to 16 MiB needed"}, // it was full, and is not any more
		{unix.Statfs_t{Bsize: 1 << 20}, true, false, "0 B free, up to 16 MiB needed"},
		{unix.Statfs_t{}, false, false, "up to 16 MiB needed"},
	} {
		if got := lacks(c.disk, c.known, c.quota, 16<<20); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
