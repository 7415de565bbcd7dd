package initramfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/mkuimage/cpio"
)

// The umask of whoever builds the image is not in it: it would be another one for the same source.
func TestTheImageHasNoUmask(t *testing.T) {
	image := func(mask uint64) string {
		var text bytes.Buffer
		w := cpio.Newc.Writer(&text)
		records := []cpio.Record{cpio.Directory("bin", 0o755&^mask), cpio.StaticFile("bin/init", "program", 0o755&^mask), cpio.StaticFile("etc", "text", 0o644&^mask),
			cpio.Symlink("init", "bin/init"), cpio.CharDev("console", 0o600, 5, 1)}
		if err := cpio.WriteRecords(w, records); err != nil {
			t.Fatal(err)
		}
		if err := cpio.WriteTrailer(w); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		var even bytes.Buffer
		if err := copyEven(&even, path); err != nil {
			t.Fatal(err)
		}
		return even.String()
	}
	one, two := image(0o022), image(0o077)
	if one != two {
		t.Error("they differ")
	}
	all, err := cpio.ReadAllRecords(cpio.Newc.Reader(strings.NewReader(one)))
	if err != nil {
		t.Fatal(err)
	}
	modes := ""
	for _, r := range all {
		modes += fmt.Sprintf("%s %o\n", r.Name, r.Mode)
	}
	if want := "bin 40755\nbin/init 100755\netc 100644\ninit 120777\nconsole 20600\n"; modes != want {
		t.Errorf("got\n%swant\n%s", modes, want)
	}
}
