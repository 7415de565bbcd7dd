package initramfs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/u-root/mkuimage/cpio"

	"github.com/modmatrix/modmatrix/results/wire"
)

// Payload is what one cell adds to the base image: the plan, and the files that it names.
type Payload struct {
	Plan  wire.Plan
	Files []File
}

// File is one file of a guest.
type File struct {
	Guest string      // absolute path in the guest, under wire.PayloadDir or wire.BaseDir
	Host  string      // file that holds the content
	Data  []byte      // the content itself, where Host is empty
	Mode  fs.FileMode // permissions; zero means 0644
}

// archiveEnd is the size, in bytes, to a multiple of which archives are padded with zeroes. The kernel skips zeroes between
// archives, as long as the next one starts at a multiple of four (init/initramfs.c, do_reset).
const archiveEnd = 512

// WriteImage writes base and behind it payload to out: whole or not at all.
func WriteImage(out, base string, payload Payload) error {
	files, err := payload.withPlan()
	if err != nil {
		return err
	}
	return writeImage(out, base, files)
}

// WriteTemplateImage writes the image of a guest that is to be frozen: base and behind it only the kernel's own modules
// that the guest's channels need, all under wire.BaseDir, and no plan. Such a guest waits for its payload on a drive.
func WriteTemplateImage(out, base string, modules []File) error {
	for _, m := range modules {
		if !below(m.Guest, wire.BaseDir) {
			return fmt.Errorf("template path %q is not under %s", m.Guest, wire.BaseDir)
		}
	}
	return writeImage(out, base, modules)
}

// writeImage writes base and behind it an archive of files, which the kernel unpacks over it.
func writeImage(out, base string, files []File) error {
	in, err := os.Open(base)
	if err != nil {
		return fmt.Errorf("open base image: %w", err)
	}
	defer in.Close()
	image, err := newImage(out)
	if err != nil {
		return err
	}
	defer image.Cleanup()
	n, err := io.Copy(image, in)
	if err == nil {
		err = pad(image, n)
	}
	if err != nil {
		return fmt.Errorf("copy base image: %w", err)
	}
	if err := writeArchive(image, files); err != nil {
		return err
	}
	return replaceImage(image)
}

func (p Payload) withPlan() ([]File, error) {
	plan, err := json.MarshalIndent(p.Plan, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return append([]File{{Guest: wire.PlanPath, Data: append(plan, '\n')}}, p.Files...), nil
}

// writeArchive writes files with their folders, sorted: the same files give the same bytes.
func writeArchive(w io.Writer, files []File) error {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Guest, b.Guest) })
	counted := &counter{w: w}
	archive := cpio.NewDedupWriter(cpio.Newc.Writer(counted))
	for i, f := range files {
		if !below(f.Guest, wire.PayloadDir) && !below(f.Guest, wire.BaseDir) { // nothing in a payload may replace PID 1 or a command
			return fmt.Errorf("payload path %q is not under %s or %s", f.Guest, wire.PayloadDir, wire.BaseDir)
		}
		if i > 0 && files[i-1].Guest == f.Guest {
			return fmt.Errorf("payload has %s twice", f.Guest)
		}
		if err := f.write(archive); err != nil {
			return fmt.Errorf("write payload: %w", err)
		}
	}
	err := cpio.WriteTrailer(archive)
	if err == nil {
		err = pad(w, counted.n)
	}
	if err != nil {
		return fmt.Errorf("write payload: %w", err)
	}
	return nil
}

func below(name, dir string) bool {
	return path.Clean(name) == name && strings.HasPrefix(name, dir+"/")
}

// write writes the folders above f, unless they are there, and f.
func (f File) write(w cpio.RecordWriter) error {
	for at, c := range f.Guest[1:] {
		if c != '/' {
			continue
		}
		if err := w.WriteRecord(cpio.MakeReproducible(cpio.Directory(f.Guest[1:1+at], 0o755))); err != nil {
			return err
		}
	}
	content, closer, err := f.open()
	if err != nil {
		return err
	}
	defer closer.Close()
	size := content.Size()
	if size > 1<<32-1 { // newc has eight hexadecimal digits for it
		return fmt.Errorf("%s is not below 4 GiB", f.Host)
	}
	return w.WriteRecord(cpio.MakeReproducible(cpio.Record{ReaderAt: content, Info: cpio.Info{
		Name: strings.TrimPrefix(f.Guest, "/"), Mode: cpio.S_IFREG | uint64(f.perm()), FileSize: uint64(size)}}))
}

func (f File) perm() fs.FileMode {
	if mode := f.Mode.Perm(); mode != 0 {
		return mode
	}
	return 0o644
}

func (f File) open() (*io.SectionReader, io.Closer, error) {
	if f.Host == "" {
		r := bytes.NewReader(f.Data)
		return io.NewSectionReader(r, 0, r.Size()), io.NopCloser(r), nil
	}
	in, err := os.Open(f.Host)
	if err != nil {
		return nil, nil, err
	}
	info, err := in.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Host)
	}
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	return io.NewSectionReader(in, 0, info.Size()), in, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// pad writes the zeroes that bring n bytes to a multiple of archiveEnd.
func pad(w io.Writer, n int64) error {
	if rest := n % archiveEnd; rest != 0 {
		_, err := w.Write(make([]byte, archiveEnd-rest))
		return err
	}
	return nil
}

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
