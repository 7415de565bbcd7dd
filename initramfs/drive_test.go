package initramfs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/modmatrix/modmatrix/results/wire"
)

func seededPayload(files ...File) Payload {
	return Payload{Plan: wire.Plan{Nonce: "n", Seed: make([]byte, wire.SeedSize)}, Files: files}
}

// files reads a drive as a guest does; nil means there is no payload.
func files(t *testing.T, path string) (list []wire.DriveFile, contents [][]byte) {
	t.Helper()
	drive, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer drive.Close()
	read := func(at, n int64) []byte {
		b := make([]byte, n)
		if _, err := drive.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		return b
	}
	h, ok := wire.DecodeDrive(read(wire.DriveOffset, wire.DriveBlock))
	if !ok {
		return nil, nil
	}
	if list, err = h.Files(read(wire.DriveTable, int64(h.Length))); err != nil {
		t.Fatal(err)
	}
	at := int64(wire.DriveFiles)
	for _, f := range list {
		contents = append(contents, read(at, f.Size))
		at += wire.Blocks(f.Size)
	}
	return list, contents
}

func TestWriteDrive(t *testing.T) {
	dir := t.TempDir()
	out, host := filepath.Join(dir, "drive"), filepath.Join(dir, "suite")
	suite := bytes.Repeat([]byte("suite"), 1<<18)
	if err := os.WriteFile(host, suite, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := EmptyDrive(out); err != nil {
		t.Fatal(err)
	}
	if list, _ := files(t, out); list != nil {
		t.Errorf("an empty drive holds %v", list)
	}
	waiting, err := os.Open(out) // as a machine does that waits
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if err := WriteDrive(out, seededPayload(File{Guest: wire.SuitePath, Host: host, Mode: 0o755}, File{Guest: wire.ModuleDir + "/x.ko"})); err != nil {
		t.Fatal(err)
	}
	list, contents := files(t, out)
	if len(list) != 3 || list[0].Path != wire.PlanPath || list[1].Mode != 0o644 || list[1].Size != 0 || list[2].Mode != 0o755 ||
		!bytes.Equal(contents[2], suite) || list[2].Sum != xxhash.Sum64(suite) || !bytes.Contains(contents[0], []byte(`"nonce": "n"`)) {
		t.Errorf("%+v", list)
	}
	info, err := waiting.Stat()
	if err != nil || info.Size() != wire.DriveSize || info.Sys().(*syscall.Stat_t).Blocks*512 > 4<<20 {
		t.Errorf("%+v %v", info, err)
	}
	if n, err := io.ReadFull(io.NewSectionReader(waiting, wire.DriveOffset, 8), make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("who had the drive open sees nothing: %v", err)
	}
}

func TestBadDrives(t *testing.T) {
	dir := t.TempDir()
	out, huge := filepath.Join(dir, "drive"), filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, wire.DriveSize); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]Payload{
		"no seed": payloadOf(), "too large": seededPayload(File{Guest: wire.SuitePath, Host: huge}), "the plan twice": seededPayload(File{Guest: wire.PlanPath}),
		"no host file": seededPayload(File{Guest: "/payload/x", Host: "/none"}), "a device": seededPayload(File{Guest: "/payload/x", Host: "/dev/zero"}),
		"for before": seededPayload(File{Guest: "/base/x.ko"}), "PID 1": seededPayload(File{Guest: "/init"}),
	} {
		if err := WriteDrive(out, seededPayload()); err != nil {
			t.Fatal(err)
		}
		if err := WriteDrive(out, p); err == nil {
			t.Errorf("%s: no error", name)
		}
		if list, _ := files(t, out); list != nil {
			t.Errorf("%s: the drive holds %v", name, list)
		}
	}
	if err := EmptyDrive(filepath.Join(dir, "none", "drive")); err == nil {
		t.Error("no folder, no error")
	}
}

func TestWriteTemplateImage(t *testing.T) {
	dir := t.TempDir()
	base, out := filepath.Join(dir, "base"), filepath.Join(dir, "image")
	if err := os.WriteFile(base, make([]byte, archiveEnd), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteTemplateImage(out, base, []File{{Guest: "/base/01.ko"}, {Guest: "/base/00.ko"}}); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records(t, image[archiveEnd:]) {
		names = append(names, r.Name)
	}
	if len(names) != 3 || names[0] != "base" || names[1] != "base/00.ko" || names[2] != "base/01.ko" {
		t.Errorf("%q", names)
	}
	if err := WriteTemplateImage(out, base, []File{{Guest: wire.SuitePath}}); err == nil {
		t.Error("a template took a suite")
	}
}
