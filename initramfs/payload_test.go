package initramfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/mkuimage/cpio"

	"github.com/modmatrix/modmatrix/results/wire"
)

func payloadOf(files ...File) Payload {
	return Payload{Plan: wire.Plan{Nonce: "n", Time: 1}, Files: files}
}

func write(t *testing.T, p Payload) []byte {
	t.Helper()
	var b bytes.Buffer
	files, err := p.withPlan()
	if err := errors.Join(err, writeArchive(&b, files)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPayloadBytes(t *testing.T) {
	host := filepath.Join(t.TempDir(), "foo.ko")
	if err := os.WriteFile(host, []byte("\x7fELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := File{Guest: "/payload/modules/foo.ko", Host: host}
	two := File{Guest: "/payload/suite.test", Data: []byte("#!"), Mode: 0o755}
	three := File{Guest: "/base/00-virtio.ko", Data: nil}
	archive := write(t, payloadOf(one, two, three))
	if !bytes.Equal(archive, write(t, payloadOf(three, two, one))) {
		t.Error("the order of files changes the bytes")
	}
	if len(archive)%archiveEnd != 0 {
		t.Errorf("%d bytes are not padded", len(archive))
	}
	// The bytes are a contract with the kernel, and with whoever keeps images by their digest.
	var bare bytes.Buffer
	if err := writeArchive(&bare, []File{two, one}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bare.Bytes())
	if got := hex.EncodeToString(sum[:8]); got != "f9f516768b7c1ada" {
		t.Errorf("bytes changed: %s", got)
	}
	var names []string
	for _, r := range records(t, archive) {
		text, _ := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
		names = append(names, r.Name)
		switch {
		case r.Name == "payload/suite.test" && (string(text) != "#!" || r.Mode != cpio.S_IFREG|0o755),
			r.Name == "payload/modules/foo.ko" && (string(text) != "\x7fELF" || r.Mode != cpio.S_IFREG|0o644),
			r.Name == "payload" && r.Mode != cpio.S_IFDIR|0o755,
			r.Name == "payload/plan.json" && !bytes.Contains(text, []byte(`"nonce": "n"`)),
			r.UID != 0 || r.GID != 0 || r.MTime != 0 || r.Ino != 0:
			t.Errorf("%+v %q", r.Info, text)
		}
	}
	want := "base base/00-virtio.ko payload payload/modules payload/modules/foo.ko payload/plan.json payload/suite.test"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s", got)
	}
}

func records(t *testing.T, archive []byte) []cpio.Record {
	t.Helper()
	list, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBadPayloads(t *testing.T) {
	for name, f := range map[string]File{
		"relative": {Guest: "payload/x"}, "elsewhere": {Guest: "/init"}, "climbing": {Guest: "/payload/../init"}, "empty": {},
		"the folder itself": {Guest: "/payload"}, "trailing slash": {Guest: "/payload/x/"}, "prefix only": {Guest: "/payloads/x"},
		"the plan": {Guest: wire.PlanPath}, "no host file": {Guest: "/payload/x", Host: "/none"}, "a folder": {Guest: "/payload/x", Host: "/"},
		"a device": {Guest: "/payload/x", Host: "/dev/zero"},
	} {
		files, err := payloadOf(f).withPlan()
		if err := errors.Join(err, writeArchive(io.Discard, files)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWriteImage(t *testing.T) {
	dir := t.TempDir()
	base, out := filepath.Join(dir, "base"), filepath.Join(dir, "image")
	if err := os.WriteFile(base, []byte("070701base"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteImage(out, base, payloadOf()); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("070701base"), make([]byte, archiveEnd-10)...)
	if !bytes.Equal(image, append(want, write(t, payloadOf())...)) {
		t.Error("the image is not base, zeroes, payload")
	}
	if err := WriteImage(out, base, payloadOf(File{Guest: "/init"})); err == nil {
		t.Error("a bad payload was written")
	}
	if err := WriteImage(out, filepath.Join(dir, "none"), payloadOf()); err == nil {
		t.Error("no base, no error")
	}
	again, _ := os.ReadFile(out)
	if !bytes.Equal(image, again) {
		t.Error("a failed image replaced a good one")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
