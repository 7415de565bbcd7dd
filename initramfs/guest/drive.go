package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

const (
	drivePath = "/dev/vda"      // the first virtio disk
	diskTime  = 5 * time.Second // for it to appear
	lookTime  = 2 * time.Millisecond
	readSize  = 1 << 20
)

// await waits for a payload on the drive and unpacks it, where the initramfs brought none. The guest may be frozen as
// soon as it has said that it is ready; a guest with trouble is not, it ends.
func (g *guest) await() {
	g.frames = wire.NewWriter(g.port, bootNonce("/proc/cmdline"))
	g.frames.Clock = g.clock
	d, err := openDrive(drivePath, diskTime)
	if err != nil {
		g.trouble = append(g.trouble, err.Error())
	}
	for _, text := range g.trouble {
		g.fail("%s", text)
	}
	if len(g.trouble) > 0 {
		powerOff()
	}
	g.send(wire.Frame{Kind: wire.KindReady, Release: g.release()})
	header := d.wait()
	g.born = sinceBoot()
	if err := d.unpack(header, "/"); err != nil {
		g.undelivered = fmt.Errorf("take the payload from %s: %w", drivePath, err)
	}
	d.close()
}

// bootNonce is what frames carry before there is a plan.
func bootNonce(path string) string {
	text, _ := os.ReadFile(path) // without it the frames have no nonce, and the host takes none of them
	for _, arg := range strings.Fields(string(text)) {
		if nonce, ok := strings.CutPrefix(arg, wire.NonceArg); ok {
			return nonce
		}
	}
	return ""
}

// drive is read past the kernel's cache, which in a clone still holds what the frozen guest saw. All that reading needs
// is there before the guest is frozen.
type drive struct {
	fd  int
	buf []byte // starts at a page
}

// openDrive opens a drive that appears within a time.
func openDrive(path string, within time.Duration) (*drive, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	for start := time.Now(); err == unix.ENOENT && time.Since(start) < within; {
		time.Sleep(lookTime)
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s, to take the payload from it: %w", path, err)
	}
	buf, err := unix.Mmap(-1, 0, readSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make a buffer for the payload: %w", err)
	}
	return &drive{fd: fd, buf: buf}, nil
}

func (d *drive) close() {
	unix.Close(d.fd)
	_ = unix.Munmap(d.buf)
}

// wait looks for a payload until there is one.
func (d *drive) wait() wire.DriveHeader {
	for {
		if block, err := d.read(wire.DriveOffset, wire.DriveBlock); err == nil {
			if h, ok := wire.DecodeDrive(block); ok {
				return h
			}
		}
		time.Sleep(lookTime)
	}
}

// unpack writes the files of the payload below root.
func (d *drive) unpack(h wire.DriveHeader, root string) error {
	table, err := d.read(wire.DriveTable, h.Length)
	if err != nil {
		return err
	}
	files, err := h.Files(table)
	if err != nil {
		return err
	}
	at := int64(wire.DriveFiles)
	for _, f := range files {
		if err := d.copy(f, at, filepath.Join(root, f.Path)); err != nil {
			return err
		}
		at += wire.Blocks(f.Size)
	}
	return nil
}

// copy writes the file that begins at a place of the drive.
func (d *drive) copy(f wire.DriveFile, at int64, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(f.Mode))
	if err != nil {
		return err
	}
	sum := xxhash.New()
	for left := f.Size; left > 0 && err == nil; {
		var part []byte
		if part, err = d.read(at, int(min(left, readSize))); err == nil {
			_, _ = sum.Write(part)
			_, err = out.Write(part)
		}
		left, at = left-int64(len(part)), at+int64(len(part))
	}
	if err == nil && sum.Sum64() != f.Sum {
		err = errors.New(f.Path + " is damaged")
	}
	return errors.Join(err, out.Close())
}

// read reads n bytes, at most readSize, from a place that is a multiple of a block. They stand until the next read.
func (d *drive) read(at int64, n int) ([]byte, error) {
	whole := d.buf[:wire.Blocks(int64(n))]
	for done := 0; done < len(whole); {
		got, err := unix.Pread(d.fd, whole[done:], at+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err == nil && got == 0 {
			err = errors.New("the drive is too short")
		}
		if err != nil {
			return nil, fmt.Errorf("read %d bytes at %d: %w", n, at, err)
		}
		done += got
	}
	return whole[:n], nil
}
