package initramfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/modmatrix/modmatrix/results/wire"
)

// EmptyDrive makes out a drive without a payload: for a guest to be frozen, and for a clone until it gets its own.
func EmptyDrive(out string) error {
	drive, err := openDrive(out)
	if err != nil {
		return err
	}
	return drive.Close()
}

// WriteDrive writes payload to the drive out, on which a guest waits for it. The machine may have the drive open already,
// so it is changed in place; the guest sees the payload whole or not at all. After an error, the drive is empty.
func WriteDrive(out string, p Payload) error {
	drive, err := openDrive(out)
	if err != nil {
		return err
	}
	if err := errors.Join(fillDrive(drive, p), drive.Close()); err != nil {
		return fmt.Errorf("write drive: %w", err)
	}
	return nil
}

func openDrive(path string) (*os.File, error) {
	drive, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create drive: %w", err)
	}
	_, err = drive.WriteAt(make([]byte, wire.DriveBlock), wire.DriveOffset)
	if err == nil {
		err = drive.Truncate(wire.DriveSize)
	}
	if err != nil {
		drive.Close()
		return nil, fmt.Errorf("create drive: %w", err)
	}
	return drive, nil
}

// fillDrive writes the files, then the table, and at last the header, which makes them valid.
func fillDrive(drive *os.File, p Payload) error {
	if len(p.Plan.Seed) != wire.SeedSize {
		return fmt.Errorf("the plan has a seed of %d bytes, not %d", len(p.Plan.Seed), wire.SeedSize)
	}
	files, err := p.withPlan()
	if err != nil {
		return err
	}
	var list []wire.DriveFile
	seen, at := map[string]bool{}, int64(wire.DriveFiles)
	for _, f := range inOrder(files) {
		if seen[f.Guest] {
			return fmt.Errorf("payload has %s twice", f.Guest)
		}
		seen[f.Guest] = true
		entry, err := writeFile(drive, at, f)
		if err != nil {
			return err
		}
		list, at = append(list, entry), at+wire.Blocks(entry.Size)
	}
	header, table, err := wire.EncodeDrive(list)
	if err != nil {
		return err
	}
	if _, err := drive.WriteAt(table, wire.DriveTable); err != nil {
		return err
	}
	_, err = drive.WriteAt(header, wire.DriveOffset)
	return err
}

// inOrder leaves the plan, with the nonce, first, and puts the suite last: what comes last is the quickest to unpack.
func inOrder(files []File) []File {
	slices.SortStableFunc(files[1:], func(a, b File) int {
		switch {
		case a.Guest == wire.SuitePath:
			return 1
		case b.Guest == wire.SuitePath:
			return -1
		}
		return strings.Compare(a.Guest, b.Guest)
	})
	return files
}

func writeFile(drive *os.File, at int64, f File) (wire.DriveFile, error) {
	in, closer, err := f.open()
	if err != nil {
		return wire.DriveFile{}, err
	}
	defer closer.Close()
	size := in.Size()
	if size > wire.DriveSize-at { // before it fills the host's disk
		return wire.DriveFile{}, fmt.Errorf("the payload does not fit on a drive of %d MiB", wire.DriveSize>>20)
	}
	sum := xxhash.New()
	n, err := io.CopyBuffer(io.MultiWriter(io.NewOffsetWriter(drive, at), sum), in, make([]byte, 1<<20))
	if err == nil && n != size {
		err = fmt.Errorf("%s shrank to %d bytes", f.Host, n)
	}
	return wire.DriveFile{Path: f.Guest, Mode: uint32(f.perm()), Size: size, Sum: sum.Sum64()}, err
}
