package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/store"
)

// TestFullDiskOfARoot: mmdebstrap works in the folder for temporary files, and tar in the cache; each asks for room where
// there is none.
func TestFullDiskOfARoot(t *testing.T) {
	s := twoSuites(t).warm()
	target := resolved(t, s, "debian:bookworm")
	const noTemp, noCache = "the folder for temporary files ", "the cache "
	for name, c := range map[string]struct{ mmdebstrap, tar, want, not string }{
		"dpkg in the temporary folder": {mmdebstrap: "dpkg: error processing archive: failed to write: No space left on device", want: noTemp, not: noCache},
		"apt in the temporary folder":  {mmdebstrap: "You don't have enough free space in /var/cache/apt/archives/.", want: noTemp, not: noCache},
		"the cache":                    {mmdebstrap: "tar: -: Cannot write: Broken pipe", tar: "tar: ./usr/bin/gcc-12: Cannot write: No space left on device", want: noCache, not: noTemp},
		"neither":                      {mmdebstrap: "404", want: "404", not: " is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("FAKE_FAIL", c.mmdebstrap)
			if c.tar != "" {
				fake := "#!/bin/sh\necho '" + c.tar + "' >&2; exit 2\n"
				bin := t.TempDir()
				if err := os.WriteFile(filepath.Join(bin, "tar"), []byte(fake), 0o755); err != nil {
					t.Fatal(err)
				}
				t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			}
			_, err := s.Fetch(t.Context(), target, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.not) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want %q", err, c.want)
			}
			if full := name != "neither"; store.IsFull(err) != full {
				t.Errorf("%v: a full disk: %v", err, !full)
			}
			t.Log(err)
			nothingLeft(t, s)
		})
	}
}
