package vm

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

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
	}{Schema: manifestSchema, QEMU: qemu}
	var err error
	if all.Kernel, err = digestOf(m.Kernel); err == nil {
		all.Initrd, err = digestOf(m.Initrd)
	}
	if err == nil {
		all.Drive, err = m.driveSize()
	}
	if err == nil && m.Accel.orDefault().Name == "kvm" {
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

var digests struct {
	sync.Mutex
	known map[fileVersion]string
}

type fileVersion struct {
	path string
	size int64
	time time.Time
}

func digestOf(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	version := fileVersion{path, info.Size(), info.ModTime()}
	digests.Lock()
	defer digests.Unlock() // also while reading: others who need the same file would all read it
	if digest, ok := digests.known[version]; ok {
		return digest, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	if digests.known == nil {
		digests.known = map[fileVersion]string{}
	}
	digests.known[version] = fmt.Sprintf("%x", h.Sum(nil))
	return digests.known[version], nil
}
