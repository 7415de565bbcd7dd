package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

const (
	drivePath = "/dev/vda"      // the first virtio disk
	diskTime  = 5 * time.Second // for it to appear
	lookTime  = time.Millisecond
	roomPath  = wire.PayloadDir + "/.room"
	roomSize  = 16 << 20 // most suites fit
)

// await waits for a payload on the drive and unpacks it, where the initramfs brought none. The guest may be frozen as
// soon as it has said that it is ready; a guest with trouble is not, it ends.
func (g *guest) await() {
	g.frames = wire.NewWriter(g.port, bootNonce("/proc/cmdline"))
	g.frames.Clock = g.clock
	d, err := openDrive(drivePath, roomPath)
	if err != nil {
		g.trouble = append(g.trouble, err.Error())
	}
	for _, text := range g.trouble {
		g.fail("%s", text)
	}
	if len(g.trouble) > 0 {
		powerOff()
	}
	rehearse()
	g.send(wire.Frame{Kind: wire.KindReady, Release: g.release()})
	header := d.wait()
	g.born = sinceBoot()
	if err := errors.Join(d.unpack(header, "/"), d.close()); err != nil {
		g.undelivered = fmt.Errorf("take the payload from %s: %w", drivePath, err)
	}
}

// rehearse reads a plan and a report, of which package encoding/json learns for good how they are built, and looks
// around, for which the kernel makes the entries of /proc and /sys that it then keeps.
func rehearse() {
	_ = lookAround()
	_ = json.Unmarshal([]byte(`[{}]`), &[]wire.DriveFile{})
	_ = json.Unmarshal([]byte(`{"modules": [{"declared": [{}]}], "suites": [{"known": [{}], "only": [""]}]}`), &wire.Plan{})
	_, _ = parseReport([]byte(`[{"SpecReports": [{"Failure": {"Location": {}}}]}]`))
	_ = wire.NewWriter(io.Discard, "").Write(wire.Frame{Kind: wire.KindPlan, Specs: []wire.Spec{{}}, Spec: &wire.Spec{}})
	runtime.GC()
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

// drive is read past the kernel's cache, which in a clone still holds what the frozen guest saw.
//
// It is read into the room, a file in memory whose pages are there before the guest is frozen. What is read last is the
// suite, by far the largest file of most payloads: it does not leave the room, which becomes that file instead. To an
// emulated processor, getting and filling other pages for it costs as much as all the rest of unpacking. So does giving
// pages back: a room that nothing large was in stays, without a name, until the guest's end.
type drive struct {
	fd   int
	room *os.File
	buf  []byte // the room, mapped
}

// openDrive opens a drive as soon as it appears, and makes the room.
func openDrive(path, roomPath string) (d *drive, err error) {
	d = &drive{}
	for start := time.Now(); ; time.Sleep(lookTime) {
		d.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT, 0)
		if err != unix.ENOENT || time.Since(start) > diskTime {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s, to take the payload from it: %w", path, err)
	}
	if err := d.makeRoom(roomPath); err != nil {
		unix.Close(d.fd)
		return nil, fmt.Errorf("make room for the payload: %w", err)
	}
	return d, nil
}

func (d *drive) makeRoom(path string) (err error) {
	if d.room, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if err = d.room.Truncate(roomSize); err == nil {
		d.buf, err = unix.Mmap(int(d.room.Fd()), 0, roomSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	}
	if err != nil {
		d.room.Close()
	}
	return err
}

// close ends all use of the drive.
func (d *drive) close() error {
	_ = os.Remove(d.room.Name()) // unless it is under another name by now
	return errors.Join(unix.Close(d.fd), d.room.Close())
}

// wait looks for a payload until there is one.
func (d *drive) wait() wire.DriveHeader {
	for {
		if block, err := d.read(wire.DriveOffset, wire.DriveBlock); err == nil {
			if h, ok := wire.DecodeDrive(block); ok {
				return h
			}
		}
		_ = unix.Nanosleep(&unix.Timespec{Nsec: int64(lookTime)}, nil) // less to do than for time.Sleep
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
	for i, f := range files {
		take := d.copy
		if i == len(files)-1 && f.Size > roomSize/2 && f.Size <= roomSize {
			take = d.keep
		}
		if err := take(f, at, filepath.Join(root, f.Path)); err != nil {
			return err
		}
		at += wire.Blocks(f.Size)
	}
	return nil
}

// keep makes the room the file that begins at a place of the drive. It can be read into no more: the kernel starts no program
// from a file that somebody can still write to.
func (d *drive) keep(f wire.DriveFile, at int64, path string) error {
	content, err := d.read(at, int(f.Size))
	if err != nil {
		return err
	}
	if xxhash.Sum64(content) != f.Sum {
		return errors.New(f.Path + " is damaged")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return errors.Join(unix.Munmap(d.buf), d.room.Truncate(f.Size), d.room.Chmod(os.FileMode(f.Mode)), os.Rename(d.room.Name(), path))
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
		if part, err = d.read(at, int(min(left, roomSize))); err == nil {
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

// read reads n bytes, at most roomSize, from a place that is a multiple of a block. They stand until the next read.
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
