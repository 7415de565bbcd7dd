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

	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/results/wire"
)

const (
	drivePath  = "/dev/vda"      // the first virtio disk
	deviceTime = 5 * time.Second // for it, or another device, to appear
	pollTime   = time.Millisecond
	quietTime  = 50 * time.Millisecond
	bufferPath = wire.PayloadDir + "/.buffer"
	bufferSize = 16 << 20 // most suites fit
)

// awaitPayload unpacks the payload of the drive. The guest may be frozen once it is ready; one in trouble powers off instead.
func (g *guest) awaitPayload() {
	g.frames = wire.NewWriter(g.port, bootNonce("/proc/cmdline"))
	g.frames.Clock = g.clock
	d, err := openDrive(drivePath, bufferPath)
	g.note(err)
	for _, text := range g.trouble {
		g.fail("%s", text)
	}
	if len(g.trouble) > 0 {
		powerOff()
	}
	warmUp()
	quiet := arch.Host().QEMU.LosesInterrupts
	if quiet { // nothing that was printed is still on its way
		time.Sleep(quietTime)
	}
	g.send(wire.Frame{Kind: wire.KindReady, Release: g.release()})
	if quiet {
		_, _ = g.port.Read(make([]byte, 1)) // where it cannot be read, the drive is asked
	}
	header := d.wait()
	g.epoch = sinceBoot()
	if err := errors.Join(d.unpack(header, "/"), d.close()); err != nil {
		g.payloadErr = fmt.Errorf("unpack the payload on %s: %w", drivePath, err)
	}
}

// warmUp fills caches that clones then share: encoding/json's of our types, the kernel's of /proc and /sys.
func warmUp() {
	_ = takeSurvey()
	_ = json.Unmarshal([]byte(`[{}]`), &[]wire.DriveFile{})
	_ = json.Unmarshal([]byte(`{"modules": [{"declared": [{}]}], "suites": [{"known": [{}], "only": [""]}]}`), &wire.Plan{})
	_, _ = parseReport(strings.NewReader(`[{"SpecReports": [{"Failure": {"Location": {}}}]}]`))
	_ = wire.NewWriter(io.Discard, "").Write(wire.Frame{Kind: wire.KindPlan, Specs: []wire.Spec{{}}, Spec: &wire.Spec{}})
	runtime.GC()
}

// bootNonce is the nonce of frames before there is a plan.
func bootNonce(path string) string {
	text, _ := os.ReadFile(path) // without a nonce, the host ignores the frames
	for _, arg := range strings.Fields(string(text)) {
		if nonce, ok := strings.CutPrefix(arg, wire.NonceArg); ok {
			return nonce
		}
	}
	return ""
}

// drive is read past the kernel's cache, which in a clone holds what the frozen guest read, into a buffer: a file in memory whose
// pages were allocated before the freeze. The last and largest file, the suite, stays where it was read: the buffer becomes that
// file, since an emulated processor would need as long for other pages as for all the rest. Freeing pages is as slow, so a buffer
// that held nothing large stays, without a name, until the guest's end.
type drive struct {
	fd   int
	file *os.File // the buffer
	buf  []byte   // the buffer, mapped
}

func openDrive(path, bufferPath string) (d *drive, err error) {
	d = &drive{}
	if d.fd, err = appears(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT); err != nil {
		return nil, fmt.Errorf("open %s, to read the payload: %w", path, err)
	}
	if err := d.allocate(bufferPath); err != nil {
		unix.Close(d.fd)
		return nil, fmt.Errorf("allocate a buffer for the payload: %w", err)
	}
	return d, nil
}

func (d *drive) allocate(path string) (err error) {
	if d.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if err = d.file.Truncate(bufferSize); err == nil {
		d.buf, err = unix.Mmap(int(d.file.Fd()), 0, bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	}
	if err != nil {
		d.file.Close()
	}
	return err
}

func (d *drive) close() error {
	_ = os.Remove(d.file.Name()) // unless keep has renamed it
	return errors.Join(unix.Close(d.fd), d.file.Close())
}

func (d *drive) wait() wire.DriveHeader {
	pause := unix.NsecToTimespec(int64(pollTime))
	for {
		block, _ := d.read(wire.DriveOffset, wire.DriveBlock)
		if h, ok := wire.DecodeDrive(block); ok {
			return h
		}
		_ = unix.Nanosleep(&pause, nil) // cheaper than time.Sleep
	}
}

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
		unpack, path := d.copy, filepath.Join(root, f.Path)
		if i == len(files)-1 && f.Size > bufferSize/2 && f.Size <= bufferSize {
			unpack = d.keep
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := unpack(f, at, path); err != nil {
			return err
		}
		at += wire.Blocks(f.Size)
	}
	return nil
}

// keep makes the buffer the file at an offset. It is of no more use then: no file runs that is mapped for writing.
func (d *drive) keep(f wire.DriveFile, at int64, path string) error {
	content, err := d.read(at, int(f.Size))
	if err != nil {
		return err
	}
	if xxhash.Sum64(content) != f.Sum {
		return errors.New(f.Path + " is damaged")
	}
	return errors.Join(unix.Munmap(d.buf), d.file.Truncate(f.Size), d.file.Chmod(os.FileMode(f.Mode)), os.Rename(d.file.Name(), path))
}

func (d *drive) copy(f wire.DriveFile, at int64, path string) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(f.Mode))
	if err != nil {
		return err
	}
	sum := xxhash.New()
	for end := at + f.Size; at < end && err == nil; {
		var part []byte
		if part, err = d.read(at, int(min(end-at, bufferSize))); err == nil {
			_, err = io.MultiWriter(sum, out).Write(part)
		}
		at += int64(len(part))
	}
	if err == nil && sum.Sum64() != f.Sum {
		err = errors.New(f.Path + " is damaged")
	}
	return errors.Join(err, out.Close())
}

// read returns n bytes, at most bufferSize, at the start of a block. They are valid until the next read.
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
