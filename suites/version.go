package suites

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Version is a kernel's version, X.Y.Z. It is not its release: 6.1.0-56-amd64 of Debian is 6.1.176.
type Version struct{ Major, Minor, Patch int }

// KernelVersion is the version of the running kernel: as the plan has it, and outside of a guest the digits that uname
// starts with.
func KernelVersion() (Version, error) {
	if plan, err := Plan(); err == nil && plan.Target.Version != "" {
		return ParseVersion(plan.Target.Version)
	}
	release, err := KernelRelease()
	if err != nil {
		return Version{}, err
	}
	return ParseVersion(release)
}

// KernelRelease is what uname -r prints.
func KernelRelease() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("read kernel release: %w", err)
	}
	return unix.ByteSliceToString(name.Release[:]), nil
}

// ParseVersion reads X.Y or X.Y.Z; what follows, as "-rc3" or "+deb13", is ignored.
func ParseVersion(text string) (Version, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	parts := strings.Split(strings.TrimRight(text[:end], "."), ".")
	var number [3]int
	if len(parts) < 2 {
		return Version{}, fmt.Errorf("read kernel version: want X.Y or X.Y.Z, not %q", text)
	}
	for i := range min(len(parts), 3) {
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return Version{}, fmt.Errorf("read kernel version: want X.Y or X.Y.Z, not %q", text)
		}
		number[i] = n
	}
	return Version{number[0], number[1], number[2]}, nil
}

// Compare is negative when v is older than w, zero when they are the same, positive when it is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// AtLeast tells whether v is major.minor or newer. Ask for a feature rather than for a version where you can:
// distributions carry features back.
func (v Version) AtLeast(major, minor int) bool { return v.Compare(Version{major, minor, 0}) >= 0 }

// String is X.Y.Z.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }
