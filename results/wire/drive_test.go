package wire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// onDrive frames any table, right checksums included.
func onDrive(table string) (header []byte) {
	header = append(header, driveMagic...)
	header = binary.LittleEndian.AppendUint32(header, uint32(len(table)))
	header = binary.LittleEndian.AppendUint64(header, xxhash.Sum64String(table))
	return binary.LittleEndian.AppendUint32(header, crc32.ChecksumIEEE(header))
}

func TestDriveRoundTrip(t *testing.T) {
	files := []DriveFile{{Path: PlanPath, Mode: 0o644, Size: 10, Sum: 1<<64 - 1}, {Path: SuitePath, Mode: 0o755, Size: 12 << 20, Sum: 7}, {Path: ModuleDir + "/x.ko"}}
	header, table, err := EncodeDrive(files)
	if err != nil || len(header) != DriveBlock {
		t.Fatalf("%d bytes, %v", len(header), err)
	}
	h, ok := DecodeDrive(header)
	if !ok {
		t.Fatal("the header is none")
	}
	if got, err := h.Files(table); err != nil || !reflect.DeepEqual(got, files) {
		t.Errorf("%+v %v", got, err)
	}
	for i := range driveHead {
		broken := bytes.Clone(header)
		broken[i] ^= 1
		if _, ok := DecodeDrive(broken); ok {
			t.Errorf("byte %d makes no difference", i)
		}
	}
	table[len(table)-3] ^= 1
	if _, err := h.Files(table); err == nil {
		t.Error("a damaged table was read")
	}
}

func TestNoPayloadOnDrive(t *testing.T) {
	long := append([]byte(driveMagic), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
	for name, block := range map[string][]byte{
		"nothing": nil, "zeroes": make([]byte, DriveBlock), "cut": onDrive("[]")[:driveHead-1],
		"a table that would reach into the files": binary.LittleEndian.AppendUint32(long, crc32.ChecksumIEEE(long)),
	} {
		if h, ok := DecodeDrive(block); ok {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestDriveTables(t *testing.T) {
	const room = DriveSize - DriveFiles
	file := func(path string, mode uint32, size int64) []DriveFile {
		return []DriveFile{{Path: path, Mode: mode, Size: size}}
	}
	for name, c := range map[string]struct {
		files []DriveFile
		ok    bool
	}{
		"none":          {nil, true},
		"a folder deep": {file("/payload/a/b", 0o755, 0), true},
		"all the room":  {file("/payload/a", 0, room), true},
		"a byte more":   {file("/payload/a", 0, room+1), false},
		"two too many":  {append(file("/payload/a", 0, room-DriveBlock+1), file("/payload/b", 0, 1)...), false},
		"two that fit":  {append(file("/payload/a", 0, room-DriveBlock), file("/payload/b", 0, 1)...), true},
		"negative":      {file("/payload/a", 0, -1), false},
		"enormous":      {file("/payload/a", 0, 1<<63-1), false},
		"PID 1":         {file("/init", 0o755, 1), false},
		"channels":      {file("/base/00.ko", 0, 1), false},
		"climbing":      {file("/payload/../init", 0, 1), false},
		"the folder":    {file("/payload", 0, 1), false},
		"a folder":      {file("/payload/a/", 0, 1), false},
		"relative":      {file("payload/a", 0, 1), false},
		"a zero byte":   {file("/payload/a\x00", 0, 1), false},
		"setuid":        {file("/payload/a", 0o4755, 1), false},
		"too many":      {file("/payload/"+strings.Repeat("a", DriveFiles-DriveTable), 0, 1), false},
	} {
		if _, _, err := EncodeDrive(c.files); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDrive(f *testing.F) {
	for _, table := range []string{"", "null", "[]", `[{"path":"/payload/plan.json","size":4096,"sum":18446744073709551615}]`,
		`[{"path":"/payload/a","size":-1}]`, `[{"path":"/payload/../a"}]`, strings.Repeat("[", 20000)} {
		f.Add(onDrive(table), []byte(table))
	}
	f.Fuzz(func(t *testing.T, block, table []byte) {
		if h, ok := DecodeDrive(block); ok {
			_, _ = h.Files(table)
		}
		h := DriveHeader{Length: len(table), Sum: xxhash.Sum64(table)}
		files, err := h.Files(table)
		at := int64(DriveFiles)
		for _, file := range files {
			if at += Blocks(file.Size); file.Size < 0 || at > DriveSize || !strings.HasPrefix(file.Path, PayloadDir+"/") || strings.Contains(file.Path, "..") && strings.Contains(file.Path, "/../") {
				t.Fatalf("%+v", file)
			}
		}
		if err == nil {
			if _, _, err := EncodeDrive(files); err != nil && len(table) < 1000 {
				t.Fatal(err)
			}
		}
	})
}
