package debian

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const fakeMmdebstrap = `#!/bin/sh
printf '%s\n' "$@" >>"$FAKE_LOG"
cat >>"$FAKE_LOG"
[ -z "$FAKE_FAIL" ] || { echo "I: trying"; echo "E: $FAKE_FAIL" >&2; exit 25; }
[ -d "$TMPDIR" ] && [ "$TMPDIR" != /tmp ] || exit 8
root=$(mktemp -d) && mkdir "$TMPDIR/left" && mkdir -p "$root/var/lib/dpkg" "$root/dev/x" "$root/lib" "$root/usr/src/bar-1" "$root/usr/src/linux-x"
printf 'Package: gcc-12\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.2.0-14\n\nPackage: there\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n' >"$root/var/lib/dpkg/status"
tar -C "$root" -c . && rm -r "$root"
`

const fakeBwrap = `#!/bin/sh
printf '%s\n' "$@" >>"$FAKE_LOG"
while [ "$1" != -- ]; do [ "$1" != --bind ] || bound=$2; shift; done
case "$2" in
depmod) echo 'kernel/virtio.ko:' >"$bound/modules.dep" ;;
*gcc-*) echo "$2 (Debian) 12.2.0"; echo more ;;
*) exit 9 ;;
esac
`

// fakeTools puts the fakes on PATH; what they were given is in $FAKE_LOG.
func fakeTools(t *testing.T) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{"mmdebstrap": fakeMmdebstrap, "bwrap": fakeBwrap} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("FAKE_LOG", filepath.Join(bin, "log"))
	t.Setenv("TMPDIR", t.TempDir()) // what lies in the common one may be another run's
}

func given(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("FAKE_LOG"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// unfinished lists the packages of downloads that were cut off.
func unfinished(t *testing.T, s *Source) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.store.Dir(), "partial/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// nothingLeft fails where the store holds temporary folders, or packages outside of a tree, but for those that the next try
// continues from.
func nothingLeft(t *testing.T, s *Source) {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*/.tmp.*", "[^p]*/*/*.deb", "partial/*/*.FAILED", "apt/*/support"} {
		paths, _ := filepath.Glob(filepath.Join(s.store.Dir(), pattern))
		found = append(found, paths...)
	}
	temps, _ := filepath.Glob(filepath.Join(os.TempDir(), "modmatrix-*", "left"))
	if found = append(found, temps...); len(found) > 0 {
		slices.Sort(found)
		t.Errorf("left behind: %v", found)
	}
}
