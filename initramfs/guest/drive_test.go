package guest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// deliver makes a drive with files of the given contents, and opens it as a waiting guest does.
func deliver(t *testing.T, contents ...[]byte) (*drive, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "drive")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []wire.DriveFile
	at := int64(wire.DriveFiles)
	for i, content := range contents {
		list = append(list, wire.DriveFile{Path: wire.PayloadDir + "/sub/" + string(rune('a'+i)), Mode: 0o700, Size: int64(len(content)), Sum: xxhash.Sum64(content)})
		if _, err := file.WriteAt(content, at); err != nil {
			t.Fatal(err)
		}
		at += wire.Blocks(int64(len(content)))
	}
	header, table, err := wire.EncodeDrive(list)
	if err != nil {
		t.Fatal(err)
	}
	for place, b := range map[int64][]byte{wire.DriveOffset: header, wire.DriveTable: table} {
		if _, err := file.WriteAt(b, place); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(wire.DriveSize); err != nil {
		t.Fatal(err)
	}
	d, err := openDrive(path, filepath.Join(dir, "buffer"))
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

func TestUnpackDrive(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdefg"), (bufferSize+12345)/17)
	for name, contents := range map[string][][]byte{
		"none": {}, "one": {[]byte("x")}, "the last is empty": {[]byte("x"), nil}, "many": {nil, []byte("plan"), large[:wire.DriveBlock], large[:5001]},
		"larger than the buffer": {large, large}, "as large as the buffer": {[]byte("x"), large[:bufferSize]},
		"not worth the buffer": {[]byte("x"), large[:bufferSize/2]}, "just worth the buffer": {[]byte("x"), large[:bufferSize/2+1]},
	} {
		d, dir := deliver(t, contents...)
		if err := d.unpack(d.wait(), dir); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, want := range contents {
			path := filepath.Join(dir, wire.PayloadDir, "sub", string(rune('a'+i)))
			got, err := os.ReadFile(path)
			info, _ := os.Stat(path)
			if err != nil || !bytes.Equal(got, want) || info.Mode() != 0o700 {
				t.Errorf("%s: file %d: %d bytes, %v, %v", name, i, len(got), info.Mode(), err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "buffer")); !os.IsNotExist(err) {
			t.Errorf("%s: the buffer is left: %v", name, err)
		}
	}
}

// TestKeptFileRuns starts a program that was unpacked by keeping the buffer.
func TestKeptFileRuns(t *testing.T) {
	d, dir := deliver(t, append([]byte("#!/bin/sh\nexit 7\n"), make([]byte, bufferSize/2)...))
	if err := d.unpack(d.wait(), dir); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, wire.PayloadDir, "sub/a")
	p, err := os.StartProcess(path, []string{path}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || state.ExitCode() != 7 {
		t.Errorf("%v %v", state, err)
	}
}

func TestDamagedDrives(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 5000)
	for name, damage := range map[string]func(path string) error{
		"the first":   func(path string) error { return poke(path, wire.DriveFiles+4999) },
		"the last":    func(path string) error { return poke(path, wire.DriveFiles+3*wire.DriveBlock) },
		"the table":   func(path string) error { return poke(path, wire.DriveTable+2) },
		"a short one": func(path string) error { return os.Truncate(path, wire.DriveFiles+wire.DriveBlock) },
	} {
		d, dir := deliver(t, content, content)
		h := d.wait()
		if err := damage(filepath.Join(dir, "drive")); err != nil {
			t.Fatal(err)
		}
		if err := d.unpack(h, dir); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

// poke changes a byte.
func poke(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("!"), at)
	return err
}

func TestBootNonce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cmdline")
	for text, want := range map[string]string{
		"console=ttyS0 modmatrix.nonce=abc quiet\n": "abc", "modmatrix.nonce=abc": "abc", "xmodmatrix.nonce=abc": "", "": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := bootNonce(path); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := bootNonce(path + ".none"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestPoolInfo(t *testing.T) {
	got := poolInfo([]byte("seed"))
	if len(got) != 12 || !strings.HasSuffix(string(got), "seed") || *(*[4]byte)(got) == *(*[4]byte)(got[4:]) {
		t.Errorf("%q", got)
	}
}

func TestControl(t *testing.T) {
	if err := control(-1, unix.RNDADDENTROPY, poolInfo([]byte("seed"))); err != unix.EBADF {
		t.Errorf("%v", err)
	}
}
