package vm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrTemplate says that a template is damaged, incomplete, or of another machine: remove its folder and make it again.
var ErrTemplate = errors.New("unusable template")

// manifestSchema changes with the meaning of anything in the files of a template.
const manifestSchema = "modmatrix.template/v1"

type manifest struct {
	Schema string `json:"schema"`
	Key    string `json:"key"`
	QEMU   string `json:"qemu"` // for people: the key covers it
	RAM    part   `json:"ram"`
	State  part   `json:"state"`
}

type part struct {
	Size  int64  `json:"size"`
	CRC32 uint32 `json:"crc32c"` // of the memory only the blocks that are not zero, each after its offset
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// summer is a writer that describes what is written to it.
type summer struct{ part }

func (s *summer) Write(p []byte) (int, error) {
	s.Size += int64(len(p))
	s.CRC32 = crc32.Update(s.CRC32, castagnoli, p)
	return len(p), nil
}

func (t *template) seal(version string, state part) error {
	key, err := t.machine.TemplateKey(version)
	if err != nil {
		return err
	}
	ram, err := sumSparse(t.path(templateRAM))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(manifest{Schema: manifestSchema, Key: key, QEMU: version, RAM: ram, State: state}, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(t.path(templateManifest), append(text, '\n'), 0o600)
}

func readManifest(dir string) (m manifest, err error) {
	defer func() { err = unusable(err) }()
	text, err := os.ReadFile(filepath.Join(dir, templateManifest))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", templateManifest, err)
	}
	if m.Schema != manifestSchema {
		return m, fmt.Errorf("%s has schema %q, known is %q", templateManifest, m.Schema, manifestSchema)
	}
	for name, p := range map[string]part{templateRAM: m.RAM, templateState: m.State} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return m, err
		}
		if info.Size() != p.Size || !info.Mode().IsRegular() {
			return m, fmt.Errorf("%s has %d bytes and should have %d", name, info.Size(), p.Size)
		}
	}
	return m, nil
}

func unusable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrTemplate, err)
}

func (m manifest) readState(dir string) ([]byte, error) {
	if m.State.Size > maxState {
		return nil, fmt.Errorf("%w: a state of %d bytes", ErrTemplate, m.State.Size)
	}
	state, err := os.ReadFile(filepath.Join(dir, templateState))
	if err != nil {
		return nil, unusable(err)
	}
	var sum summer
	sum.Write(state)
	return state, damaged(templateState, sum.part, m.State)
}

func damaged(name string, is, should part) error {
	if is == should {
		return nil
	}
	return fmt.Errorf("%w: %s is damaged: checksum %08x, should be %08x", ErrTemplate, name, is.CRC32, should.CRC32)
}

// VerifyTemplate reads the template in dir, except for the holes in its memory, and compares checksums. It takes some tens of
// milliseconds: call it once before a series of clones. The error wraps ErrTemplate where the template is damaged.
func VerifyTemplate(dir string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	if _, err := m.readState(dir); err != nil {
		return err
	}
	ram, err := sumSparse(filepath.Join(dir, templateRAM))
	if err != nil {
		return fmt.Errorf("verify template: %w", err)
	}
	return damaged(templateRAM, ram, m.RAM)
}

// sumSparse describes a file with holes, which it does not read. Only blocks that are not zero count, as a hole may become a
// block of zeroes when a file is copied, or the file system rounds.
func sumSparse(path string) (part, error) {
	f, err := os.Open(path)
	if err != nil {
		return part{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return part{}, err
	}
	p := part{Size: info.Size()}
	for end := int64(0); ; {
		begin, err := unix.Seek(int(f.Fd()), end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but hole to the end
			return p, nil
		}
		if err == nil {
			end, err = unix.Seek(int(f.Fd()), begin, unix.SEEK_HOLE)
		}
		if err == nil {
			begin -= begin % sumBlock
			err = p.sumExtent(f, begin, end)
		}
		if err != nil {
			return part{}, fmt.Errorf("read %s: %w", path, err)
		}
	}
}

// sumBlock is the unit of a memory's checksum: a page.
const sumBlock = 4096

var zeroBlock [sumBlock]byte

// sumExtent adds the blocks from begin to end.
func (p *part) sumExtent(f *os.File, begin, end int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(f, begin, end-begin), 256*sumBlock)
	block := make([]byte, sumBlock)
	for ; begin < end; begin += sumBlock {
		n, err := io.ReadFull(in, block[:min(sumBlock, end-begin)])
		if err != nil {
			return err
		}
		if !bytes.Equal(block[:n], zeroBlock[:n]) {
			p.CRC32 = crc32.Update(p.CRC32, castagnoli, binary.LittleEndian.AppendUint64(nil, uint64(begin)))
			p.CRC32 = crc32.Update(p.CRC32, castagnoli, block[:n])
		}
	}
	return nil
}

// TemplateKey is a digest of all that must be equal between a template and its clones: the content of the kernel and the
// initramfs, every argument of QEMU but for paths, the drive's size, and qemu, the version (QEMUVersion). With KVM also
// this host's processor and kernel, which the guest has seen. A file is read once in the life of this process, unless
// its size or time changes.
func (m *Machine) TemplateKey(qemu string) (string, error) {
	if err := m.Validate(); err != nil {
		return "", err
	}
	all := struct {
		Schema, QEMU   string
		Kernel, Initrd string // digests
		Drive          int64
		Args           []string
		Host           string
		Settled        time.Duration `json:",omitempty"`
	}{Schema: manifestSchema, QEMU: qemu, Settled: m.settleTime()}
	var err error
	if all.Kernel, err = digestOf(m.Kernel); err == nil {
		all.Initrd, err = digestOf(m.Initrd)
	}
	if err == nil {
		all.Drive, err = m.driveSize()
	}
	if err == nil && m.Accel.on(m.qemu()).Name == "kvm" {
		all.Host, err = newVerdictKey(qemu)
	}
	if err != nil {
		return "", fmt.Errorf("compute template's key: %w", err)
	}
	all.Args = m.withoutPaths()
	text, err := json.Marshal(all)
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}

// withoutPaths are QEMU's arguments with a word in place of each path and backend.
func (m *Machine) withoutPaths() []string {
	plain := *m
	for path, name := range map[*string]string{&plain.Kernel: "kernel", &plain.Initrd: "initrd", &plain.Drive: "drive"} {
		if *path != "" {
			*path = name
		}
	}
	return plain.argv(backends{console: "c", report: "r", terminal: "t", monitor: "m"}, &ramFile{path: "ram", shared: true})
}

type fileVersion struct {
	path string
	size int64
	time time.Time
}

// digests has for each fileVersion who reads it, once: others who need the same file wait.
var digests sync.Map

func digestOf(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	version := fileVersion{path, info.Size(), info.ModTime()}
	read, _ := digests.LoadOrStore(version, sync.OnceValues(func() (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		h := sha256.New()
		_, err = io.Copy(h, f)
		return fmt.Sprintf("%x", h.Sum(nil)), err
	}))
	digest, err := read.(func() (string, error))()
	if err != nil {
		digests.Delete(version) // it may be readable later
	}
	return digest, err
}
