package prebuilt

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/modmatrix/modmatrix/kernels"
)

// What packages begin with.
const (
	debMagic = "!<arch>\n"
	rpmMagic = "\xed\xab\xee\xdb"
)

const (
	arHeader   = 60 // bytes (ar.h: a name, four numbers, a size at 48, two bytes that end it)
	maxMembers = 32 // of a .deb: it has three, and some have signatures
)

// deb reads the archive of files in a package of Debian, deb(5). dpkg-deb is not there on every machine, and the library that reads
// packages brings four others.
func (o *opener) deb(given string, f *os.File) error {
	at := int64(len(debMagic))
	for range maxMembers {
		h := make([]byte, arHeader)
		if _, err := f.ReadAt(h, at); err != nil {
			return errors.New("is a .deb without files")
		}
		at += arHeader
		size, err := strconv.ParseUint(strings.TrimSpace(string(h[48:58])), 10, 63)
		if err != nil || string(h[58:]) != "`\n" {
			return errors.New("is a broken .deb: a member has no size")
		}
		if strings.HasPrefix(string(h), "data.tar") {
			plain, err := kernels.Unpack(kernels.ReadWith(o.ctx, io.NewSectionReader(f, at, int64(size))))
			if err != nil {
				return err
			}
			return o.tar(given, plain)
		}
		at += int64(size + size%2)
	}
	return fmt.Errorf("is no .deb: its first %d members are no files", maxMembers)
}

func (o *opener) tar(given string, r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxPackage}
	archive := tar.NewReader(limited)
	for range maxEntries {
		h, err := archive.Next()
		switch {
		case limited.N <= 0:
			return fmt.Errorf("unpacks to more than %d MiB", maxPackage>>20)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("is neither a module nor a package: %w", err)
		case h.Typeflag == tar.TypeReg: // a link is to what is there as well
			if err := o.entry(given, h.Name, archive); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("holds more than %d entries", maxEntries)
}

const (
	rpmLead   = 96       // bytes before the first header (rpm's documentation, "RPM V4 package format")
	maxHeader = 64 << 20 // bytes of a header; that of the largest packages has some
)

// rpm reads the files of a package of RPM. Its headers are skipped: what is in them decides nothing here.
func (o *opener) rpm(given string, f *os.File) error {
	if _, err := f.Seek(rpmLead, io.SeekStart); err != nil {
		return err
	}
	for _, padded := range []bool{true, false} { // signatures, which end at a multiple of 8, and the package's own
		if err := skipHeader(f, padded); err != nil {
			return fmt.Errorf("is a broken .rpm: %w", err)
		}
	}
	plain, err := kernels.Unpack(kernels.ReadWith(o.ctx, f))
	if err != nil {
		return err
	}
	return o.cpio(given, plain)
}

func skipHeader(f *os.File, padded bool) error {
	var h struct {
		Magic          [8]byte
		Entries, Bytes uint32
	}
	if err := binary.Read(f, binary.BigEndian, &h); err != nil {
		return err
	}
	size := 16*int64(h.Entries) + int64(h.Bytes)
	if !strings.HasPrefix(string(h.Magic[:]), "\x8e\xad\xe8") || size > maxHeader {
		return errors.New("a header is none, or too large")
	}
	if padded {
		size += (8 - size%8) % 8
	}
	_, err := f.Seek(size, io.SeekCurrent)
	return err
}

func (o *opener) cpio(given string, r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxPackage}
	archive := cpio.NewReader(limited)
	for range maxEntries {
		h, err := archive.Next()
		switch {
		case limited.N <= 0:
			return fmt.Errorf("unpacks to more than %d MiB", maxPackage>>20)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("is a broken .rpm: %w", err)
		case h.Mode.IsRegular() && h.Size > 0: // of several links to one file, only one has what it holds
			if err := o.entry(given, h.Name, archive); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("holds more than %d entries", maxEntries)
}
