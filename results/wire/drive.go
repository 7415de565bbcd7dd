package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// A drive brings a payload to a guest that was frozen while it waited for one. Its first MiB is empty: the kernel read it
// to look for partitions, and has it cached. At DriveOffset is the header, in a block of its own:
//
//	magic (8) · length of the table (4) · checksum of the table (8) · CRC-32 of these 20 bytes (4)
//
// The table, JSON, begins in the next block, and the first file at DriveFiles; each file begins in the block after the one
// before it. Numbers are little-endian, checksums xxHash64: an emulated processor takes a second for the SHA-256 of a
// suite. The header is written last: as long as there is none, there is no payload.
const (
	DriveSize   = 1 << 30 // of every drive, since a frozen guest knows the size of its own; most of it is a hole
	DriveOffset = 1 << 20
	DriveTable  = DriveOffset + DriveBlock
	DriveFiles  = 2 << 20
	DriveBlock  = 4096 // direct reads are at multiples of it

	driveMagic = "MMPAYLD1"
	driveHead  = 24
)

// DriveFile is a file on a drive, as the table lists it.
type DriveFile struct {
	Path string `json:"path"` // in the guest, under PayloadDir
	Mode uint32 `json:"mode"` // permissions
	Size int64  `json:"size"`
	Sum  uint64 `json:"sum"` // xxHash64 of the content
}

// DriveHeader is the header: what it says of the table.
type DriveHeader struct {
	Length int // in bytes
	Sum    uint64
}

// Blocks is n rounded up to whole blocks, in bytes.
func Blocks(n int64) int64 {
	return (n + DriveBlock - 1) / DriveBlock * DriveBlock
}

// EncodeDrive returns the header's block, for DriveOffset, and the table, for DriveTable.
func EncodeDrive(files []DriveFile) (header, table []byte, err error) {
	if table, err = json.Marshal(files); err != nil {
		return nil, nil, fmt.Errorf("encode the table of a drive: %w", err)
	}
	h := DriveHeader{Length: len(table), Sum: xxhash.Sum64(table)}
	if _, err := h.Files(table); err != nil {
		return nil, nil, err
	}
	b := make([]byte, 0, DriveBlock)
	b = append(b, driveMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Length))
	b = binary.LittleEndian.AppendUint64(b, h.Sum)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return b[:DriveBlock], table, nil
}

// DecodeDrive reads the header in the block at DriveOffset. False means that there is no payload yet.
func DecodeDrive(block []byte) (DriveHeader, bool) {
	if len(block) < driveHead || string(block[:8]) != driveMagic ||
		crc32.ChecksumIEEE(block[:20]) != binary.LittleEndian.Uint32(block[20:]) {
		return DriveHeader{}, false
	}
	h := DriveHeader{Length: int(binary.LittleEndian.Uint32(block[8:])), Sum: binary.LittleEndian.Uint64(block[12:])}
	return h, h.Length <= DriveFiles-DriveTable
}

// Files reads the table that h describes. Whatever it holds, the files are within the drive and belong below PayloadDir.
func (h DriveHeader) Files(table []byte) ([]DriveFile, error) {
	if len(table) != h.Length || xxhash.Sum64(table) != h.Sum {
		return nil, fmt.Errorf("the table of the drive is damaged")
	}
	if len(table) > DriveFiles-DriveTable {
		return nil, fmt.Errorf("the payload has too many files for a drive")
	}
	var files []DriveFile
	if err := json.Unmarshal(table, &files); err != nil {
		return nil, fmt.Errorf("read the table of the drive: %w", err)
	}
	left := int64(DriveSize - DriveFiles)
	for _, f := range files {
		if path.Clean(f.Path) != f.Path || !strings.HasPrefix(f.Path, PayloadDir+"/") || strings.ContainsRune(f.Path, 0) || f.Mode > 0o777 {
			return nil, fmt.Errorf("no place in a payload for %q with mode %#o", f.Path, f.Mode)
		}
		if f.Size < 0 || f.Size > left || Blocks(f.Size) > left {
			return nil, fmt.Errorf("the payload does not fit on a drive of %d MiB", DriveSize>>20)
		}
		left -= Blocks(f.Size)
	}
	return files, nil
}
