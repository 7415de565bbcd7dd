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
	fw := c.run.plan.in.fw
	for _, f := range fw.chosen(c.built.all()) {
		files = append(files, initramfs.File{Guest: path.Join(wire.FirmwareDir, f.name), Host: filepath.Join(fw.dir, f.name), Mode: 0o644})
	}
	return files
}
