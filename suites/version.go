package suites

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// Version is a kernel's version, X.Y.Z. It is not its release: 6.1.0-56-amd64 of Debian is 6.1.176.
type Version struct{ Major, Minor, Patch int }

// KernelVersion is the version of the running kernel: the plan's, and outside of a guest the leading digits of uname -r.
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
	m := regexp.MustCompile(`^(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?`).FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("read kernel version: want X.Y or X.Y.Z, not %q", text)
	}
	var v Version
	for i, number := range []*int{&v.Major, &v.Minor, &v.Patch} {
		*number, _ = strconv.Atoi(cmp.Or(m[i+1], "0")) // digits
	}
	return v, nil
}

// Compare is negative when v is older than w, zero when they are the same, positive when it is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// AtLeast says whether v is major.minor or newer. Check for a feature instead where you can: distributions backport them.
func (v Version) AtLeast(major, minor int) bool { return v.Compare(Version{major, minor, 0}) >= 0 }

// String is X.Y.Z.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }
