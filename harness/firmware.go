package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
)

// firmware is a private copy of a folder of files that modules ask their kernel for. The zero value is none.
type firmware struct {
	dir    string         // of the copy
	files  []firmwareFile // sorted by name
	digest string         // "sha256:…" over names and contents
}

type firmwareFile struct {
	name string // below the folder, as modules ask for it
	size int64
}

// What a folder of firmware may hold: all of linux-firmware has 3,000 files in 1 GiB.
const (
	maxFirmwareFiles = 10_000
	maxFirmwareBytes = 2 << 30
	// allFirmwareBytes is up to which size a guest gets all of it; of more, what its modules declare.
	allFirmwareBytes = 16 << 20
)

// debianFirmware begins a Spec.Firmware that names packages.
const debianFirmware = "debian:"

func (s Spec) firmwareDir() bool {
	return s.Firmware != "" && !strings.HasPrefix(s.Firmware, debianFirmware)
}

// FirmwarePackages are the packages that s names for firmware; nil where it names none.
func (s Spec) FirmwarePackages() []string {
	names, ok := strings.CutPrefix(s.Firmware, debianFirmware)
	if !ok {
		return nil
	}
	return strings.Split(names, ",")
}

// firmwareFact is what the records rest on: the files, or the packages that are asked for.
func (p *Plan) firmwareFact() string {
	if p.Spec.firmwareDir() {
		return p.in.fw.digest
	}
	return p.Spec.Firmware
}

// firmwareArchive has packages of firmware; the source of Debian's kernels is one.
type firmwareArchive interface {
	Firmware(ctx context.Context, suite, name string) (dir, digest string, err error)
}

// firmware is what guests of tree's kernel have: the folder of the plan, or packages of the kernel's own suite.
func (r *run) firmware(ctx context.Context, tree *kernels.Tree) (all []firmware, err error) {
	if r.plan.Spec.firmwareDir() {
		return []firmware{r.plan.in.fw}, nil
	}
	source, suite := tree.Target.Origin()
	if source != "debian" {
		suite = tree.Target.Suite
	}
	archive, ok := r.h.sources(r.plan.Spec)["debian"].(firmwareArchive)
	for _, name := range r.plan.Spec.FirmwarePackages() {
		if !ok || suite == "" {
			return nil, fmt.Errorf("this kernel is of no suite of Debian, from which to take %s: give a folder as guest.firmware or --firmware", name)
		}
		fw := firmware{}
		if fw.dir, fw.digest, err = archive.Firmware(ctx, suite, name); err != nil {
			return nil, err
		}
		if fw.files, err = listFirmware(fw.dir); err != nil {
			return nil, fmt.Errorf("read the firmware of %s: %w", name, err)
		}
		all = append(all, fw)
	}
	return all, nil
}

// listFirmware lists the files of a folder that nobody changes. What a link that leads out of it leads to is no part of it.
func listFirmware(dir string) (files []firmwareFile, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return files, fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := root.Stat(name); err == nil && info.Mode().IsRegular() {
			files = append(files, firmwareFile{name, info.Size()})
		}
		return nil
	})
}

// takeFirmware copies the files in the folder given into dir. A link that leads out of the folder is an error: the guest would get what
// its writer may not read.
func takeFirmware(ctx context.Context, given, dir string) (fw firmware, err error) {
	root, err := os.OpenRoot(given)
	if err != nil {
		return fw, &UsageError{fmt.Errorf("open firmware: %w", err)}
	}
	defer root.Close()
	fw.dir = dir
	all, sum, left := sha256.New(), sha256.New(), int64(maxFirmwareBytes)
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if len(fw.files) == maxFirmwareFiles || info.Size() > left {
			return fmt.Errorf("more than %d files, or than %d MiB", maxFirmwareFiles, maxFirmwareBytes>>20)
		}
		sum.Reset()
		size, err := copyFirmware(ctx, root, name, filepath.Join(dir, name), sum)
		left -= size
		fw.files = append(fw.files, firmwareFile{name, size})
		fmt.Fprintf(all, "%q %x\n", name, sum.Sum(nil))
		return err
	})
	if err != nil {
		return fw, &UsageError{fmt.Errorf("read the firmware in %s: %w", given, err)}
	}
	if len(fw.files) == 0 {
		return fw, &UsageError{fmt.Errorf("there is no firmware in %s", given)}
	}
	fw.digest = "sha256:" + hex.EncodeToString(all.Sum(nil))
	return fw, nil
}

func copyFirmware(ctx context.Context, root *os.Root, name, to string, sum io.Writer) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, err
	}
	in, err := kernels.OpenRegular(root, name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	return io.Copy(io.MultiWriter(out, sum), io.LimitReader(in, maxFirmwareBytes))
}

// chosen are the files that a guest with these modules gets: all, or of many only what the modules declare.
func (fw firmware) chosen(modules []kbuild.Module) (files []firmwareFile) {
	size := int64(0)
	for _, f := range fw.files {
		size += f.size
	}
	if size <= allFirmwareBytes {
		return fw.files
	}
	for _, f := range fw.files {
		if slices.ContainsFunc(modules, func(m kbuild.Module) bool { return declares(m, f.name) }) {
			files = append(files, f)
		}
	}
	return files
}

// declares reports whether m says that it may ask for the file: MODULE_FIRMWARE takes patterns. Packed files serve too.
func declares(m kbuild.Module, file string) bool {
	return slices.ContainsFunc(m.Firmware, func(pattern string) bool {
		for _, suffix := range []string{"", ".xz", ".zst"} {
			if fits, _ := path.Match(pattern+suffix, file); fits {
				return true
			}
		}
		return false
	})
}

// firmwareFiles are the files of firmware in the cell's guests.
func (c *cell) firmwareFiles() (files []initramfs.File) {
	seen := map[string]bool{}
	for _, fw := range c.built.firmware {
		for _, f := range fw.chosen(c.built.all()) {
			if !seen[f.name] {
				files = append(files, initramfs.File{Guest: path.Join(wire.FirmwareDir, f.name), Host: filepath.Join(fw.dir, f.name), Mode: 0o644})
			}
			seen[f.name] = true
		}
	}
	return files
}
