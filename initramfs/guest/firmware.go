package guest

import (
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// A kernel does not say which files of firmware it loads. It reads them, and the time of that is kept with each file: one that
// lies before any other is put there, and whatever has another one afterwards was read.

// unread is the time of access of a file that nobody has read, in seconds since 1970.
const unread = 1

// eachFirmware calls do with every file below dir.
func eachFirmware(dir string, do func(path string)) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			do(path)
		}
		return nil // what cannot be read is not reported
	})
}

func forgetReads(dir string) {
	eachFirmware(dir, func(path string) {
		_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{unix.NsecToTimespec(unread * int64(time.Second)), {Nsec: unix.UTIME_OMIT}}, 0)
	})
}

// filesRead lists the files below dir that were read, by the names that the kernel was asked for: it unpacks by itself.
func filesRead(dir string) (names []string) {
	eachFirmware(dir, func(path string) {
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil || st.Atim.Sec == unread || len(names) >= wire.MaxFirmware {
			return
		}
		name, _ := filepath.Rel(dir, path) // it lies below
		names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, ".zst"), ".xz"))
	})
	return names
}

func (g *guest) reportFirmware() {
	for _, name := range filesRead(wire.FirmwareDir) {
		g.send(wire.Frame{Kind: wire.KindFirmware, Text: name})
	}
}
